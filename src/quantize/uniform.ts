import { HadaNormError } from '../../ops/numerics/errors.js';
import { type GroupedFormat, inGroups } from '../../ops/numerics/formats.js';
import { ScaleSearch, type WeightQuantizer } from './scaleSearch.js';

export type { WeightQuantizer } from './scaleSearch.js';

/** Weights as codes: W[k, j] ≈ codes[k, j] · scale[⌊k / groupSize⌋, j]. */
export interface QuantizedWeights {
  readonly codes: Int8Array; // [d, n]
  readonly scale: Float32Array; // [groups, n]; may be negative
  readonly format: GroupedFormat; // signed, groups along d
  readonly d: number;
  readonly n: number;
}

/** @throws HadaNormError for weights that no code can stand for. */
export function checkFinite(w: Float32Array, n: number): void {
  let at = 0;
  while (at < w.length && Number.isFinite(w[at]!)) at++;
  if (at === w.length) return;
  const where = `[${Math.floor(at / n)}, ${at % n}]`;
  const problem = `the weights hold ${w[at]} at ${where}, which no code stands for.`;
  throw new HadaNormError(
    'quantizeWeights',
    `${problem} Leave this linear out, or mend the model.`,
  );
}

/**
 * Round to nearest, group by group: equation (5) of hadanorm.ts, the scales searched. w: [d, n].
 * @throws HadaNormError for weights that are NaN or infinite.
 */
export function quantizeNearest(
  w: Float32Array,
  d: number,
  n: number,
  quantizer: WeightQuantizer,
): QuantizedWeights {
  checkFinite(w, n);
  const result = emptyResult(d, n, quantizer);
  const { codes, scale, format } = result;
  const { groupSize } = format.granularity;
  const search = new ScaleSearch(quantizer);
  for (let start = 0, group = 0; start < d; start += groupSize, group++) {
    const end = Math.min(start + groupSize, d);
    const own = scale.subarray(group * n, (group + 1) * n);
    search.columns(w.subarray(start * n, end * n), end - start, n, own);
    for (let k = start, at = start * n; k < end; k++) {
      for (let j = 0; j < n; j++, at++) codes[at] = search.code(w[at]!, own[j]!);
    }
  }
  return result;
}

/** The weights that codes stand for, [d, n]. */
export function dequantized({ codes, scale, format, d, n }: QuantizedWeights): Float32Array {
  const { groupSize } = format.granularity;
  const out = new Float32Array(d * n);
  for (let k = 0, at = 0; k < d; k++) {
    const scales = Math.floor(k / groupSize) * n;
    for (let j = 0; j < n; j++, at++) out[at] = codes[at]! * scale[scales + j]!;
  }
  return out;
}

/** w less the weights that codes stand for, [d, n], in the memory that is given. */
export function roundingError(
  w: Float32Array,
  { codes, scale, format, d, n }: QuantizedWeights,
  out: Float32Array,
): Float32Array {
  const { groupSize } = format.granularity;
  for (let k = 0, at = 0; k < d; k++) {
    const scales = Math.floor(k / groupSize) * n;
    for (let j = 0; j < n; j++, at++) {
      out[at] = w[at]! - Math.fround(codes[at]! * scale[scales + j]!);
    }
  }
  return out;
}

export function emptyResult(
  d: number,
  n: number,
  { format: given }: WeightQuantizer,
): QuantizedWeights {
  const format = inGroups(given, 0, Math.min(given.granularity.groupSize, d));
  const groups = Math.ceil(d / format.granularity.groupSize);
  return { codes: new Int8Array(d * n), scale: new Float32Array(groups * n), format, d, n };
}
