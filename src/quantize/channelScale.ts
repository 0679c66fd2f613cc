import { randomBits } from '../../ops/numerics/random.js';
import { centeredStd, type SiteStats } from '../calibrate/siteStats.js';
import type { Parts } from './methods.js';

/**
 * σ before signs, equation (2) of hadanorm.ts, normalized so that its median is 1; null for no
 * scaling.
 *
 * Balanced: the error of rounding to nearest is proportional to (Σ var/σ²)(Σ σ²‖w‖²), whose
 * minimiser is σ = sqrt(std / ‖w‖) by Cauchy–Schwarz. GPTQ already turns errors away from where the
 * input varies, and leaves ‖w‖ to balance: it did best between the two, at std^¼ / sqrt(‖w‖) (0.3
 * dB at W4A8 on a trained DiT, none at W4A4).
 */
export function channelScale(
  { scale, alpha }: Parts,
  stats: SiteStats | null,
  matrices: readonly Float32Array[],
  d: number,
  gptq: boolean,
): Float64Array | null {
  if (scale === 'none') return null;
  const std = floored(centeredStd(stats!.total));
  switch (scale) {
    case 'std':
      return normalized(std);
    case 'balanced': {
      const norms = floored(rowNorms(matrices, d));
      const exponent = gptq ? 0.25 : 0.5;
      return normalized(std.map((s, c) => s ** exponent / Math.sqrt(norms[c]!)));
    }
    case 'smoothquant': {
      const max = floored(rowMaxima(matrices, d));
      const reach = floored(stats!.total.absMax);
      return normalized(reach.map((x, c) => x ** alpha / max[c]! ** (1 - alpha)));
    }
    default:
      return scale satisfies never;
  }
}

/** A channel that never moves, or that no weight reads, must not make σ zero or infinite. */
function floored(values: Float64Array): Float64Array {
  const typical = median(values);
  const min = typical > 0 ? typical * 1e-3 : 1;
  return values.map((v) => Math.max(v, min));
}

function normalized(values: Float64Array): Float64Array {
  const typical = median(values);
  // half precision keeps 11 bits in this range
  return values.map((v) => Math.min(Math.max(v / typical, 2 ** -12), 2 ** 12));
}

function median(values: Float64Array): number {
  const sorted = values.slice().sort();
  const positive = sorted.findIndex((v) => v > 0);
  return positive < 0 ? 1 : sorted[(positive + sorted.length) >> 1]!;
}

function rowNorms(matrices: readonly Float32Array[], d: number): Float64Array {
  const squares = new Float64Array(d);
  forEachRow(matrices, d, (c, v) => {
    squares[c] = squares[c]! + v * v;
  });
  return squares.map(Math.sqrt);
}

function rowMaxima(matrices: readonly Float32Array[], d: number): Float64Array {
  const maxima = new Float64Array(d);
  forEachRow(matrices, d, (c, v) => {
    maxima[c] = Math.max(maxima[c]!, Math.abs(v));
  });
  return maxima;
}

function forEachRow(
  matrices: readonly Float32Array[],
  d: number,
  visit: (c: number, v: number) => void,
): void {
  for (const w of matrices) {
    const n = w.length / d;
    for (let c = 0, at = 0; c < d; c++) for (let j = 0; j < n; j++, at++) visit(c, w[at]!);
  }
}

export function withSigns(
  scale: Float64Array | null,
  signs: Int8Array | null,
): Float64Array | null {
  if (signs === null) return scale;
  return Float64Array.from(signs, (sign, c) => sign * (scale === null ? 1 : scale[c]!));
}

/** ±1, the same on every machine. */
export function randomSigns(d: number, seed: number): Int8Array {
  const next = randomBits(seed);
  return Int8Array.from({ length: d }, () => (next() & 1 ? 1 : -1));
}
