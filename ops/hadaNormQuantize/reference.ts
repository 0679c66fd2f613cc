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
}

/** What `hadaNormQuantizeReference` returns, float64. */
export interface HadaNormQuantizeReference {
  /** x' before it is quantized, [samples, tokens, d]. */
  transformed: Float64Array;
  /** Its codes, less their zero point or not: see `FakeQuantReference`. */
  quantized: FakeQuantReference;
  residual: Float64Array; // [samples, d]; empty unless center is 'dynamic'
  coefficients: Float64Array; // [samples, r]
}

/** The op in float64, from its definition. */
export function hadaNormQuantizeReference(
  { x, scale, mean, basis, mask }: HadaNormQuantizeNumbers,
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
  const transformed = rotate(centered.centered);
  const quantized = fakeQuantReference(transformed, [x.length / d, d], {
    ...{ bits: format.bits, symmetric: format.codes === 'symmetric' },
    ...(range === null
      ? { granularity: format.granularity }
      : { granularity: { kind: 'perTensor' }, range }),
  });
  if (!dynamic) {
    return { transformed, quantized, residual: nothing.slice(d), coefficients: nothing.slice(d) };
  }
  const origin = { ...scaling, mean: mean ?? nothing };
  const off = channelCenterReference(centered.mean, 1, d, origin).centered;
  const { residual, coefficients } = splitOff(off, basis ?? [], d);
  return { transformed, quantized, residual: rotate(residual), coefficients };
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
