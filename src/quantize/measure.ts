import { nearestValues } from '../../ops/numerics/formats.js';
import { rangeWithZero } from '../../ops/numerics/ranges.js';
import { addEnergies, type EnergySums, noEnergies, sqnr, sqnrDecibels } from '../math/decibels.js';
import { matmul } from '../math/matrix.js';
import type { Histogram, Sqnr } from './measured.js';
import type { QuantizedLinear } from './quantizeLinear.js';
import type { Samples } from './samples.js';
import type { ActivationQuantizer, ActivationSettings } from './settings.js';
import { restoredWeights, rotated, scaled, splitMeans, type Transform } from './transform.js';

/**
 * A transform's effect on the kept tokens of its site, made once for all the linears that share it.
 */
export interface TransformedSamples {
  readonly samples: Samples;
  readonly transformed: Float32Array; // x', [count, d]
  readonly quantized: Float32Array; // Q(x'), [count, d]
  // of each row's mean, transformed, [count, d]; empty where nothing is centered per sample
  readonly residual: Float32Array;
  readonly coefficients: Float32Array; // of each row's mean in the basis, [count, rank]
  /** SQNR of the activations, dB. */
  readonly activations: number;
}

/**
 * Sends the kept tokens through a transform and the activations' quantizer: equations (3), (5) and
 * (6) of hadanorm.ts.
 */
export function transformSamples(
  t: Transform,
  samples: Samples,
  activations: ActivationQuantizer | null,
): TransformedSamples {
  const { d } = t;
  const { rows, count, means, sampleOf } = samples;
  const dynamic = t.parts.center === 'dynamic';
  const centered = dynamic ? new Float32Array(rows.length) : rows;
  if (dynamic) {
    for (let at = 0; at < rows.length; at++) {
      const mean = sampleOf[Math.floor(at / d)]! * d + (at % d);
      centered[at] = rows[at]! - means[mean]!;
    }
  }
  const transformed = rotated(t, scaled(t, centered, dynamic ? null : t.mean));
  const quantized =
    activations === null
      ? transformed
      : nearestValues(activations.format, transformed, [count, d], activations.range);
  const split = dynamic ? splitMeans(t, means) : null;
  const spread = (values: Float32Array, width: number) => {
    const out = new Float32Array(count * width);
    sampleOf.forEach((sample, row) => {
      out.set(values.subarray(sample * width, (sample + 1) * width), row * width);
    });
    return out;
  };
  return {
    samples,
    transformed,
    quantized,
    residual: split === null ? new Float32Array(0) : spread(split.residual, d),
    coefficients: split === null ? new Float32Array(0) : spread(split.coefficients, t.rank),
    activations: activationSqnr(t, rows, transformed, quantized),
  };
}

/**
 * Output of a linear for each kept token, equation (7) of hadanorm.ts with the bias left out: what
 * the graph will compute.
 */
export function linearOutput(
  t: Transform,
  linear: QuantizedLinear,
  inputs: TransformedSamples,
): Float32Array {
  const { d, rank } = t;
  const { n, weights, basis, basisScale, meanProduct, shift, lowRank } = linear;
  const { samples, quantized, transformed, residual, coefficients } = inputs;
  const { count } = samples;
  const sum = (a: Float32Array, b: Float32Array) => a.map((v, i) => v + b[i]!);
  const input = residual.length === 0 ? quantized : sum(quantized, residual);
  const out = matmul(input, weights, count, d, n);
  const add = (part: Float32Array) => {
    for (let i = 0; i < out.length; i++) out[i] = out[i]! + part[i]!;
  };
  if (basis !== null && coefficients.length > 0) {
    const rows = basis.values.length / n;
    const factors = Float32Array.from({ length: count * rows }, (_, i) => {
      const coefficient = coefficients[Math.floor(i / rows) * rank + ((i % rows) % rank)]!;
      return coefficient * (basisScale?.[i % rows] ?? 1);
    });
    add(matmul(factors, basis.values, count, rows, n));
  }
  if (lowRank !== null) {
    const whole = residual.length === 0 ? transformed : sum(transformed, residual);
    const left = matmul(whole, lowRank.left.values, count, d, lowRank.rank);
    add(matmul(left, lowRank.right.values, count, lowRank.rank, n));
  }
  for (const row of [meanProduct, shift]) {
    if (row === null) continue;
    for (let i = 0; i < out.length; i++) out[i] = out[i]! + row[i % n]!;
  }
  return out;
}

/**
 * SQNR of activations, weights and output. `exact` is x W for the kept tokens, W the original
 * weights.
 */
export function measure(
  t: Transform,
  linear: QuantizedLinear,
  inputs: TransformedSamples,
  w: Float32Array,
  exact: Float32Array,
): Sqnr {
  const { n, weights, lowRank } = linear;
  const { d } = t;
  let effective = weights;
  if (lowRank !== null) {
    const along = matmul(lowRank.left.values, lowRank.right.values, d, lowRank.rank, n);
    effective = weights.map((v, i) => v + along[i]!);
  }
  return {
    activations: inputs.activations,
    weights: sqnr(w, restoredWeights(t, effective, n)),
    output: sqnr(exact, linearOutput(t, linear, inputs)),
  };
}

/** Output SQNR by timestep, ascending; empty where the samples have none. */
export function measureByTimestep(
  { sampleOf, timestepOf }: Samples,
  exact: Float32Array,
  output: Float32Array,
  n: number,
): { timestep: number; output: number }[] {
  const sums = new Map<number, EnergySums>();
  sampleOf.forEach((sample, row) => {
    const timestep = timestepOf[sample];
    if (timestep === null || timestep === undefined) return;
    const sum = sums.get(timestep) ?? noEnergies();
    sums.set(timestep, sum);
    const [start, end] = [row * n, (row + 1) * n];
    addEnergies(sum, exact.subarray(start, end), output.subarray(start, end));
  });
  const entries = [...sums].sort(([a], [b]) => a - b);
  return entries.map(([timestep, energies]) => ({
    // a float32 0.05 is no 0.05000000074505806 to anyone
    timestep: Number(timestep.toPrecision(6)),
    output: sqnrDecibels(energies),
  }));
}

/** Largest magnitudes of the channels of x [rows, d], in bins of equal ratio. */
export function channelHistogram(x: Float32Array, d: number, bins = 24): Histogram {
  const max = new Float64Array(d);
  for (let at = 0; at < x.length; at++) max[at % d] = Math.max(max[at % d]!, Math.abs(x[at]!));
  const high = Math.max(...max, 1e-30);
  const low = Math.max(
    max.reduce((min, v) => Math.min(min, v), high),
    high * 1e-6,
  );
  const step = Math.log(high / low) / bins || 1 / bins;
  const edges = Array.from({ length: bins + 1 }, (_, i) => low * Math.exp(i * step));
  const counts = new Array<number>(bins).fill(0);
  for (const v of max) {
    const bin = v <= low ? 0 : Math.min(Math.floor(Math.log(v / low) / step), bins - 1);
    counts[bin] = counts[bin]! + 1;
  }
  return { edges, counts };
}

/** What a linear's activations go through; null where they stay in float32. */
export function activationQuantizer(
  { format, range }: ActivationSettings,
  transformed: Float32Array | null,
): ActivationQuantizer | null {
  switch (format.kind) {
    case 'float32':
      return null;
    case 'uniform': {
      const fixed = range === 'static' && format.granularity.kind === 'perTensor';
      return { format, range: fixed ? rangeWithZero(transformed!) : null };
    }
    default:
      return format satisfies never;
  }
}

/** The error of Q(x') taken back to the channels of x: (Q(x') − x') Rᵀ diag(σ). */
function activationSqnr(
  t: Transform,
  x: Float32Array,
  transformed: Float32Array,
  quantized: Float32Array,
): number {
  const error = rotated(
    t,
    quantized.map((q, i) => q - transformed[i]!),
    true,
  );
  const energies = { signal: 0, error: 0 };
  for (let at = 0; at < x.length; at++) {
    energies.signal += x[at]! ** 2;
    energies.error += (error[at]! * (t.sigma === null ? 1 : t.sigma[at % t.d]!)) ** 2;
  }
  return sqnrDecibels(energies);
}
