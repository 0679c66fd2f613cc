import {
  codeRange,
  fitsIn,
  type GroupedFormat,
  nearestCode,
  storableScale,
} from '../../ops/numerics/formats.js';
import { roundHalfToEven } from '../../ops/numerics/quantization.js';
import { searchedInWasm } from './scaleModule.js';

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

/** Chooses scales of groups: of one column of one group each. */
export class ScaleSearch {
  /** Factors on the largest magnitude that are tried. */
  readonly factors: readonly number[];
  private readonly qMax: number;
  private readonly qMin: number;

  constructor(private readonly quantizer: WeightQuantizer) {
    this.factors = clippingFactors(quantizer);
    const { qMin, qMax } = codeRange(quantizer.format);
    this.qMin = qMin;
    this.qMax = qMax;
  }

  /** The scales of the columns of a group, values [rows, n], into `scales` [n]. */
  columns(values: Float32Array, rows: number, n: number, scales: Float32Array): void {
    const { factors, qMin, qMax } = this;
    const isSearched = this.quantizer.clipping === 'search';
    if (isSearched && searchedInWasm(values, rows, n, scales, { factors, qMin, qMax })) return;
    const column = new Float64Array(rows);
    for (let j = 0; j < n; j++) {
      for (let r = 0; r < rows; r++) column[r] = values[r * n + j]!;
      scales[j] = this.best(column, rows);
    }
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
