import {
  channelHistogram,
  linearOutput,
  measure,
  measureByTimestep,
  transformSamples,
} from './measure.js';
import type { Measured } from './measured.js';
import { quantizeLinear, storedBytes } from './quantizeLinear.js';
import type { Samples } from './samples.js';
import type { LinearSettings } from './settings.js';
import type { Trial } from './trials.js';
import type { Variants } from './variants.js';

/** What a report says of a linear beside its treatment, where nothing was measured. */
export const UNMEASURED: Measured = {
  sqnr: null,
  compared: {},
  at8Bits: null,
  byTimestep: [],
  channels: null,
};

/** A linear with what there is to measure it on. */
export interface Subject {
  readonly settings: LinearSettings;
  readonly w: Float32Array; // W, as it is quantized: [d, n]
  readonly samples: Samples;
  readonly exact: Float32Array; // what it is to give: [count, n]
}

/** What was lost in the linear as it was quantized, and what 8 bits would lose. */
export function measuresOf(
  trial: Trial,
  subject: Subject,
  variants: Variants,
): Pick<Measured, 'sqnr' | 'at8Bits' | 'byTimestep' | 'channels'> {
  const { variant, quantized, sqnr } = trial;
  const { settings, samples, exact } = subject;
  const { transform } = variant;
  const transformed = variant.transformed!;
  const at8Bits = measuredAt8Bits(trial, subject, variants);
  if (settings.treatment === 'weightOnly') {
    return { sqnr, at8Bits, byTimestep: [], channels: null };
  }
  const output = linearOutput(transform, quantized, transformed);
  return {
    sqnr,
    at8Bits,
    byTimestep: measureByTimestep(samples, exact, output, quantized.n),
    channels: {
      before: channelHistogram(samples.rows, transform.d),
      after: channelHistogram(transformed.transformed, transform.d),
    },
  };
}

/** What 8-bit weights and activations would give in the same transform. */
function measuredAt8Bits(
  { variant: { transform: t, fitted }, quantized: { shift } }: Trial,
  { settings, w, samples, exact }: Subject,
  variants: Variants,
) {
  const { weights, activations, treatment } = settings;
  const finer = { ...weights, format: weights.at8Bits };
  const quantized = { ...quantizeLinear(t, w, w.length / t.d, finer, null, fitted), shift };
  const quantizer =
    treatment === 'weightOnly' || activations.format.kind === 'float32'
      ? null
      : variants.quantizerAt8Bits(activations, t);
  const { output } = measure(t, quantized, transformSamples(t, samples, quantizer), w, exact);
  // codes and scales; what else is stored beside them, the report adds
  return { output, bytes: storedBytes(quantized) };
}
