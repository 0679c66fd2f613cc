import type { Ref } from '../../../src/graph/ir.js';
import type { Role } from '../../../src/index.js';
import type { Kit, Tokens } from './kit.js';
import { fusedReluLinear, type LinearForm, tokenLinear } from './linears.js';

export const NORM_FORMS = ['rsqrt', 'sqrt', 'keras', 'affine', 'rms', 'rmsPow'] as const;

export type NormForm = (typeof NORM_FORMS)[number];

/** Normalizes the last axis, [..., d]. */
export function norm(k: Kit, x: Ref, d: number, form: NormForm): Ref {
  const guarded = (squares: Ref) => k.add(k.mean(squares), k.scalar(1e-6));
  const gamma = () => k.weight([d], 0.2, 1);
  if (form === 'rms') {
    const inverse = k.node('Rsqrt', [guarded(k.node('Square', [x]))]);
    return k.mul(k.mul(x, inverse), gamma());
  }
  if (form === 'rmsPow') {
    const squares = guarded(k.node('Pow', [x, k.scalar(2)]));
    return k.mul(gamma(), k.mul(x, k.node('Pow', [squares, k.scalar(-0.5)])));
  }
  const mean = k.mean(x);
  const variance = guarded(k.node('SquaredDifference', [x, mean]));
  const off = () => k.node('Sub', [x, mean]);
  switch (form) {
    case 'rsqrt':
      return k.mul(off(), k.node('Rsqrt', [variance]));
    case 'sqrt':
      return k.node('RealDiv', [off(), k.node('Sqrt', [variance])]);
    case 'affine':
      return k.add(k.mul(k.mul(k.node('Rsqrt', [variance]), off()), gamma()), k.weight([d], 0.2));
    case 'keras': {
      const inverse = k.mul(k.node('Rsqrt', [variance]), gamma());
      const shift = k.node('Sub', [k.weight([d], 0.2), k.mul(mean, inverse)]);
      return k.add(k.mul(x, inverse), shift);
    }
    default:
      return form satisfies never;
  }
}

/** x · sigmoid(x). */
export function silu(k: Kit, x: Ref): Ref {
  return k.mul(k.node('Sigmoid', [x]), x);
}

export const ACTIVATION_FORMS = ['erf', 'tanhPow', 'tanhSquare', 'silu', 'relu'] as const;

export type ActivationForm = (typeof ACTIVATION_FORMS)[number];

export function activation(k: Kit, x: Ref, form: ActivationForm): Ref {
  switch (form) {
    case 'silu':
      return silu(k, x);
    case 'relu':
      return k.node('Relu', [x]);
    case 'erf': {
      const erf = k.node('Erf', [k.node('RealDiv', [x, k.scalar(Math.SQRT2)])]);
      return k.mul(k.mul(k.scalar(0.5), x), k.add(k.scalar(1), erf));
    }
    case 'tanhPow':
    case 'tanhSquare': {
      const cube =
        form === 'tanhPow' ? k.node('Pow', [x, k.scalar(3)]) : k.mul(x, k.node('Square', [x]));
      const bent = k.add(x, k.mul(k.scalar(0.044715), cube));
      const tanh = k.node('Tanh', [k.mul(k.scalar(Math.sqrt(2 / Math.PI)), bent)]);
      return k.mul(k.mul(k.add(k.scalar(1), tanh), k.scalar(0.5)), x);
    }
    default:
      return form satisfies never;
  }
}

export const MLP_FORMS = ['plain', 'fusedRelu', 'gatedTwo', 'gatedSplit'] as const;

export interface MlpSpec {
  readonly form: (typeof MLP_FORMS)[number];
  readonly activation: ActivationForm;
  readonly hidden: number;
}

/** d → hidden → d; `roles` where the MLP is none of a block's. */
export function mlp(
  k: Kit,
  x: Tokens,
  spec: MlpSpec,
  form: LinearForm,
  roles: { in: Role; gate: Role; out: Role } = { in: 'mlp.in', gate: 'mlp.gate', out: 'mlp.out' },
): Tokens {
  const { hidden } = spec;
  const act = (ref: Ref) => activation(k, ref, spec.activation);
  const wide = (role: Role, n = hidden) => tokenLinear(k, x, n, role, form);
  const middle = (): Tokens => {
    switch (spec.form) {
      case 'plain': {
        const y = wide(roles.in);
        return { ...y, ref: act(y.ref) };
      }
      case 'fusedRelu':
        return fusedReluLinear(k, x, hidden, roles.in);
      case 'gatedTwo': {
        const value = wide(roles.in);
        const gate = wide(roles.gate);
        return { ...value, ref: k.mul(act(gate.ref), value.ref) };
      }
      case 'gatedSplit': {
        const both = wide(roles.in, 2 * hidden);
        const [gate, value] = k.split(both.ref, 2, 2);
        return { ...both, d: hidden, ref: k.mul(value!, act(gate!)) };
      }
      default:
        return spec.form satisfies never;
    }
  };
  return tokenLinear(k, middle(), x.d, roles.out, form);
}
