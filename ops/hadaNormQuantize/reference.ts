import { channelCenterReference } from '../channelCenter/reference.js';
import { type FakeQuantReference, fakeQuantReference } from '../fakeQuant/reference.js';
import { hadamardTransformReference } from '../hadamardTransform/reference.js';
import type { HadaNormQuantizeAttrs } from './contract.js';

/** What the op works on, as numbers. */
export interface HadaNormQuantizeNumbers {
  readonly x: ArrayLike<number>; // [samples, tokens, d]
  readonly scale?: ArrayLike<number>; // [d]
  readonly mean?: ArrayLike<number>; // [d]
  readonly basis?: ArrayLike<number>; // [r, d]
  readonly mask?: ArrayLike<number>; // [samples, tokens]
  readonly directions?: ArrayLike<number>; // V: [d, r]
  readonly subtract?: boolean;
}

/** What `hadaNormQuantizeReference` returns, float64. */
export interface HadaNormQuantizeReference {
  /** What is quantized: x', or x' − (x' V) Vᵀ, [samples, tokens, d]. */
  transformed: Float64Array;
  /** Its codes, less their zero point or not: see `FakeQuantReference`. */
  quantized: FakeQuantReference;
  residual: Float64Array; // [samples, d]; empty unless center is 'dynamic'
  coefficients: Float64Array; // [samples, r]
  along: Float64Array; // (x' + δ) V: [samples, tokens, r]; empty without directions
}

/** The op in float64, from its definition. */
export function hadaNormQuantizeReference(
  { x, scale, mean, basis, mask, directions = [], subtract = false }: HadaNormQuantizeNumbers,
  tokens: number,
  d: number,
  { format, range, center, blockSize }: HadaNormQuantizeAttrs,
): HadaNormQuantizeReference {
  const rotate = (values: Float64Array) =>
    blockSize === 0 ? values : hadamardTransformReference(values, blockSize);
  const scaling = scale === undefined ? {} : { scale };
  const nothing = new Float64Array(d);
  const dynamic = center === 'dynamic';
  const counted = mask === undefined ? {} : { mask };
  const subtracted = dynamic ? counted : { mean: center === 'static' ? mean! : nothing };
  const centered = channelCenterReference(x, tokens, d, { ...scaling, ...subtracted });
  const tokensPart = splitAlong(rotate(centered.centered), directions, d, subtract);
  const transformed = tokensPart.left;
  const quantized = fakeQuantReference(transformed, [x.length / d, d], {
    ...{ bits: format.bits, symmetric: format.codes === 'symmetric' },
    ...(range === null
      ? { granularity: format.granularity }
      : { granularity: { kind: 'perTensor' }, range }),
  });
  if (!dynamic) {
    const none = nothing.slice(d);
    const { along } = tokensPart;
    return { transformed, quantized, residual: none, coefficients: none, along };
  }
  const origin = { ...scaling, mean: mean ?? nothing };
  const off = channelCenterReference(centered.mean, 1, d, origin).centered;
  const { residual, coefficients } = splitOff(off, basis ?? [], d);
  const means = splitAlong(rotate(residual), directions, d, subtract);
  const r = directions.length / d;
  const along = tokensPart.along.map((v, at) => {
    const sample = Math.floor(at / (r * tokens));
    return v + means.along[sample * r + (at % r)]!;
  });
  return { transformed, quantized, residual: means.left, coefficients, along };
}

/** Rows [count, d] as what goes along V, [count, r], and what is left. */
function splitAlong(
  rows: Float64Array,
  directions: ArrayLike<number>,
  d: number,
  subtract: boolean,
): { along: Float64Array; left: Float64Array } {
  const r = directions.length / d;
  const along = new Float64Array((rows.length / d) * r);
  const left = rows.slice();
  for (let row = 0; row < rows.length / d; row++) {
    for (let i = 0; i < r; i++) {
      let sum = 0;
      for (let c = 0; c < d; c++) sum += rows[row * d + c]! * directions[c * r + i]!;
      along[row * r + i] = sum;
      for (let c = 0; c < d && subtract; c++) {
        left[row * d + c] = left[row * d + c]! - sum * directions[c * r + i]!;
      }
    }
  }
  return { along, left };
}

/** off [samples, d] → its coefficients c = off Bᵀ, and off − c B. */
function splitOff(off: Float64Array, basis: ArrayLike<number>, d: number) {
  const samples = off.length / d;
  const rank = basis.length / d;
  const coefficients = new Float64Array(samples * rank);
  const residual = off.slice();
  for (let s = 0; s < samples; s++) {
    for (let i = 0; i < rank; i++) {
      let sum = 0;
      for (let c = 0; c < d; c++) sum += off[s * d + c]! * basis[i * d + c]!;
      coefficients[s * rank + i] = sum;
      for (let c = 0; c < d; c++)
        residual[s * d + c] = residual[s * d + c]! - sum * basis[i * d + c]!;
    }
  }
  return { residual, coefficients };
}
