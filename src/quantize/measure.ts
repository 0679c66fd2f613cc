import { nearestValues } from '../../ops/numerics/formats.js';
import { rangeWithZero } from '../../ops/numerics/ranges.js';
import { addEnergies, type EnergySums, noEnergies, sqnr, sqnrDecibels } from '../math/decibels.js';
import { matmul } from '../math/matrix.js';
import type { Histogram, Sqnr } from './measured.js';
import { effectiveWeights, type QuantizedLinear, restoredRows } from './quantizeLinear.js';
import type { Samples } from './samples.js';
import type { ActivationQuantizer, ActivationSettings } from './settings.js';
import {
  restoredWeights,
  rotated,
  type SplitMeans,
  scaled,
  splitMeans,
  type Transform,
  throughBranch,
} from './transform.js';

/**
 * A transform's effect on the kept tokens of its site, made once for all the linears that share it.
 */
export interface TransformedSamples {
  readonly samples: Samples;
  readonly transformed: Float32Array; // x', [count, d]
  readonly quantized: Float32Array; // Q(x'), or Q(x'⊥) beside a branch, [count, d]
  readonly along: Float32Array; // x' V, [count, rank of the branch]; empty without one
  // of each row's mean, transformed, [count, d]; empty where nothing is centered per sample
  readonly residual: Float32Array;
  readonly coefficients: Float32Array; // of each row's mean in the basis, [count, rank]
  readonly residualAlong: Float32Array; // δ V of each row's mean, as `along`; empty likewise
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
  const { along, residual: left } = throughBranch(t, transformed);
  const quantized =
    activations === null
      ? left
      : nearestValues(activations.format, left, [count, d], activations.range);
  return {
    samples,
    transformed,
    quantized,
    along,
    ...spreadMeans(t, samples, dynamic ? splitMeans(t, means) : null),
    activations: activationSqnr(t, rows, left, quantized),
  };
}

/** The parts of the samples' means, for each kept token. */
function spreadMeans(t: Transform, { count, sampleOf }: Samples, split: SplitMeans | null) {
  const spread = (values: Float32Array | undefined, width: number) => {
    if (values === undefined || values.length === 0) return new Float32Array(0);
    const out = new Float32Array(count * width);
    sampleOf.forEach((sample, row) => {
      out.set(values.subarray(sample * width, (sample + 1) * width), row * width);
    });
    return out;
  };
  return {
    residual: spread(split?.residual, t.d),
    coefficients: spread(split?.coefficients, t.rank),
    residualAlong: spread(split?.along, t.branch?.rank ?? 0),
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
  const { n, weights, basis, meanProduct, shift, branch } = linear;
  const { samples, quantized, along, residual, residualAlong, coefficients } = inputs;
  const { count } = samples;
  const sum = (a: Float32Array, b: Float32Array) => a.map((v, i) => v + b[i]!);
  const input = residual.length === 0 ? quantized : sum(quantized, residual);
  const out = matmul(input, weights(), count, d, n);
  const add = (part: Float32Array) => {
    for (let i = 0; i < out.length; i++) out[i] = out[i]! + part[i]!;
  };
  if (basis !== null && coefficients.length > 0) {
    add(matmul(coefficients, restoredRows(basis, rank, n), count, rank, n));
  }
  if (branch !== null) {
    const whole = residualAlong.length === 0 ? along : sum(along, residualAlong);
    const directions = t.branch!.rank;
    add(matmul(whole, restoredRows(branch, directions, n), count, directions, n));
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
  return {
    activations: inputs.activations,
    weights: sqnr(w, restoredWeights(t, effectiveWeights(t, linear), linear.n)),
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
