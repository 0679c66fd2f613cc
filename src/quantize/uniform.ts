import { HadaNormError } from '../../ops/numerics/errors.js';
import {
  codeRange,
  fitsIn,
  type GroupedFormat,
  inGroups,
  nearestCode,
  storableScale,
} from '../../ops/numerics/formats.js';
import { roundHalfToEven } from '../../ops/numerics/quantization.js';

/** Weights as codes: W[k, j] ≈ codes[k, j] · scale[⌊k / groupSize⌋, j]. */
export interface QuantizedWeights {
  readonly codes: Int8Array; // [d, n]
  readonly scale: Float32Array; // [groups, n]; may be negative
  readonly format: GroupedFormat; // signed, groups along d
  readonly d: number;
  readonly n: number;
}

/** How weights are quantized. */
export interface WeightQuantizer {
  readonly format: GroupedFormat; // signed, groups along d
  readonly clipping: 'search' | 'none';
}

/**
 * Factors on the largest magnitude that the clipping search tries: the lower the bits, the more it
 * pays to clip. Both ends of the code range are tried, for −2^(b−1) has no positive partner: a
 * negative scale turns the range around.
 */
function clippingFactors({ format, clipping }: WeightQuantizer): number[] {
  if (clipping === 'none') return [1];
  // by bits, from 2
  const min = [0.4, 0.5, 0.6, 0.75][format.bits - 2] ?? 0.88;
  const steps = fitsIn(format, 4) ? 14 : 6;
  return Array.from({ length: steps + 1 }, (_, i) => 1 - ((1 - min) * i) / steps);
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

/** Chooses scales of single groups: one column of one group at a time. */
export class ScaleSearch {
  private readonly factors: readonly number[];
  private readonly qMax: number;
  private readonly qMin: number;

  constructor(private readonly quantizer: WeightQuantizer) {
    this.factors = clippingFactors(quantizer);
    const { qMin, qMax } = codeRange(quantizer.format);
    this.qMin = qMin;
    this.qMax = qMax;
  }

  /** The scale of `count` values with the least squared error. */
  best(values: Float64Array, count: number): number {
    let extreme = 0;
    for (let i = 0; i < count; i++) {
      if (Math.abs(values[i]!) > Math.abs(extreme)) extreme = values[i]!;
    }
    if (extreme === 0) return storableScale(0);
    let best = storableScale(Math.abs(extreme) / this.qMax);
    // without a search: symmetric, the largest magnitude is the largest code
    if (this.quantizer.clipping === 'none') return best;
    let min = Number.POSITIVE_INFINITY;
    for (const factor of this.factors) {
      for (const end of [this.qMin, this.qMax]) {
        const scale = storableScale((extreme * factor) / end);
        const error = this.error(values, count, scale, min);
        if (error < min) {
          min = error;
          best = scale;
        }
      }
    }
    const refined = storableScale(this.leastSquares(values, count, best));
    return this.error(values, count, refined, min) < min ? refined : best;
  }

  code(value: number, scale: number): number {
    return nearestCode(value / scale, this.qMin, this.qMax);
  }

  private error(values: Float64Array, count: number, scale: number, enough: number): number {
    const inverse = 1 / scale;
    const { qMin, qMax } = this;
    let sum = 0;
    let i = 0;
    // four at a time: they do not wait for each other's sums
    for (; i + 4 <= count && sum < enough; i += 4) {
      const a = offOf(values[i]!, scale, inverse, qMin, qMax);
      const b = offOf(values[i + 1]!, scale, inverse, qMin, qMax);
      const c = offOf(values[i + 2]!, scale, inverse, qMin, qMax);
      const d = offOf(values[i + 3]!, scale, inverse, qMin, qMax);
      sum += a * a + b * b + (c * c + d * d);
    }
    for (; i < count && sum < enough; i++) {
      sum += offOf(values[i]!, scale, inverse, qMin, qMax) ** 2;
    }
    return sum;
  }

  /** With these codes, the best scale is Σ w q / Σ q². */
  private leastSquares(values: Float64Array, count: number, scale: number): number {
    let along = 0;
    let squares = 0;
    for (let i = 0; i < count; i++) {
      const q = this.code(values[i]!, scale);
      along += values[i]! * q;
      squares += q * q;
    }
    return squares === 0 ? scale : along / squares;
  }
}

/** What a value is off its nearest code's. */
function offOf(value: number, scale: number, inverse: number, qMin: number, qMax: number): number {
  let q = roundHalfToEven(value * inverse);
  if (q < qMin) q = qMin;
  else if (q > qMax) q = qMax;
  return value - scale * q;
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
  const column = new Float64Array(groupSize);
  for (let start = 0, group = 0; start < d; start += groupSize, group++) {
    const count = Math.min(groupSize, d - start);
    for (let j = 0; j < n; j++) {
      for (let k = 0; k < count; k++) column[k] = w[(start + k) * n + j]!;
      const s = search.best(column, count);
      scale[group * n + j] = s;
      for (let k = 0; k < count; k++) codes[(start + k) * n + j] = search.code(column[k]!, s);
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

export function emptyResult(
  d: number,
  n: number,
  { format: given }: WeightQuantizer,
): QuantizedWeights {
  const format = inGroups(given, 0, Math.min(given.granularity.groupSize, d));
  const groups = Math.ceil(d / format.granularity.groupSize);
  return { codes: new Int8Array(d * n), scale: new Float32Array(groups * n), format, d, n };
}
