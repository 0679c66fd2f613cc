import { HadaNormError } from '../../ops/numerics/errors.js';
import { nearestCode, storableScale } from '../../ops/numerics/formats.js';
import { roundHalfToEven } from '../../ops/numerics/quantization.js';

/** Weights as codes: W[k, j] ≈ codes[k, j] · scale[⌊k / groupSize⌋, j]. */
export interface QuantizedWeights {
  readonly codes: Int8Array; // [d, n], −2^(bits−1) … 2^(bits−1) − 1
  readonly scale: Float32Array; // [groups, n]; may be negative
  readonly bits: number;
  readonly groupSize: number;
  readonly d: number;
  readonly n: number;
}

/** How weights are quantized. */
export interface WeightQuantizer {
  readonly bits: number; // 2 to 8
  readonly groupSize: number; // rows of W that share a scale
  readonly clipping: 'search' | 'none';
}

/**
 * Factors on the largest magnitude that the clipping search tries: the lower the bits, the more it
 * pays to clip. Both ends of the code range are tried, for −2^(b−1) has no positive partner: a
 * negative scale turns the range around.
 */
function clippingFactors(bits: number, clipping: 'search' | 'none'): number[] {
  if (clipping === 'none') return [1];
  const min = bits <= 2 ? 0.4 : bits <= 3 ? 0.5 : bits <= 4 ? 0.6 : bits <= 5 ? 0.75 : 0.88;
  const steps = bits <= 4 ? 14 : 6;
  return Array.from({ length: steps + 1 }, (_, i) => 1 - ((1 - min) * i) / steps);
}

/** @throws HadaNormError for weights that no code can stand for. */
export function checkFinite(w: Float32Array, n: number): void {
  const at = w.findIndex((v) => !Number.isFinite(v));
  if (at < 0) return;
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
    const { bits, clipping } = quantizer;
    this.factors = clippingFactors(bits, clipping);
    this.qMin = -(2 ** (bits - 1));
    this.qMax = 2 ** (bits - 1) - 1;
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
    for (let i = 0; i < count && sum < enough; i++) {
      let q = roundHalfToEven(values[i]! * inverse);
      if (q < qMin) q = qMin;
      else if (q > qMax) q = qMax;
      const off = values[i]! - scale * q;
      sum += off * off;
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
  const { codes, scale, groupSize } = result;
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
export function dequantized({ codes, scale, groupSize, d, n }: QuantizedWeights): Float32Array {
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
  { bits, groupSize }: WeightQuantizer,
): QuantizedWeights {
  const size = Math.min(groupSize, d);
  return {
    codes: new Int8Array(d * n),
    scale: new Float32Array(Math.ceil(d / size) * n),
    bits,
    groupSize: size,
    d,
    n,
  };
}
