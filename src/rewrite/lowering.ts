import { kernelKind } from '../../ops/common/kernel.js';
import type { FakeQuantAttrs } from '../../ops/fakeQuant/op.js';
import type { StaticRange } from '../../ops/hadaNormQuantize/op.js';
import { segmentsOf } from '../../ops/wasm/segments.js';
import type { QuantizedWeights } from '../pack/quantizeWeights.js';

/** A quantizer of activations that a `HadaNormQuantize` node has. */
export interface CodeQuantizer {
  readonly bits: number;
  readonly symmetric: boolean;
  readonly groupSize: number;
  readonly range: StaticRange | null;
}

/** The quantizer as attributes of `HadaNormQuantize`; null for none, and for one that the op does not have. */
export function codeQuantizer(activations: FakeQuantAttrs | null, d: number): CodeQuantizer | null {
  if (activations === null) return null;
  const { bits, symmetric, granularity, range } = activations;
  switch (granularity.kind) {
    case 'perToken':
      return { bits, symmetric, groupSize: d, range: null };
    case 'perGroup':
      return { bits, symmetric, groupSize: Math.min(granularity.groupSize, d), range: null };
    case 'perTensor':
      // a dynamic range is known when all tokens were seen, codes are made token by token
      if (range === null) return null;
      return { bits, symmetric, groupSize: d, range: range as StaticRange };
    case 'perChannel':
      return null;
    default:
      return granularity satisfies never;
  }
}

/** Why a linear with codes on both sides is not multiplied in integers on a backend; null where it is. */
export function notInIntegers(
  backend: string,
  weights: QuantizedWeights,
  { groupSize }: CodeQuantizer,
): string | null {
  const kinds = ['HadaNormQuantize', 'QuantizedMatMul'].map((op) => kernelKind(op, backend));
  if (kinds.some((kind) => kind !== 'own')) return `there is no integer kernel for ${backend}`;
  if (backend !== 'wasm' || segmentsOf(weights.d, weights.groupSize, groupSize) !== null)
    return null;
  return `integer kernels for wasm need groups of a multiple of 4`;
}
