import { energiesOf, sqnrDecibels } from '../math/decibels.js';
import {
  channelHistogram,
  linearOutput,
  measureByTimestep,
  type TransformedSamples,
  transformSamples,
} from './measure.js';
import type { Measured } from './measured.js';
import { quantizeLinear, storedBytes } from './quantizeLinear.js';
import { columns, pickedOutputs } from './sampledOutputs.js';
import type { Samples } from './samples.js';
import type { LinearSettings } from './settings.js';
import type { Trial } from './trials.js';
import type { Variant, Variants } from './variants.js';

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
  const { variant, quantized } = trial;
  const { settings, samples, exact } = subject;
  const { transform } = variant;
  const transformed = variant.transformed!;
  const at8Bits = measuredAt8Bits(trial, subject, variants);
  if (settings.treatment === 'weightOnly') {
    return { sqnr: trial.sqnr, at8Bits, byTimestep: [], channels: null };
  }
  const output = linearOutput(transform, quantized, transformed);
  return {
    sqnr: trial.sqnr,
    at8Bits,
    byTimestep: measureByTimestep(samples, exact, output, quantized.n),
    channels: {
      before: channelHistogram(samples.rows, transform.d),
      after: channelHistogram(transformed.transformed, transform.d),
    },
  };
}

/** Numbers of weights from which on 8 bits are measured on some of the outputs. */
const LARGE = 2 ** 20;

/**
 * What 8-bit weights and activations would give in the same transform. Of a large linear some of
 * the outputs say what is lost in all: losses differ less from one to the next than signals do.
 */
function measuredAt8Bits(
  { variant, quantized: { shift, n } }: Trial,
  { settings, w, samples, exact }: Subject,
  variants: Variants,
) {
  const { transform: t, fitted } = variant;
  const picked = w.length < LARGE ? null : pickedOutputs(n);
  const some = (matrix: Float32Array, rows: number) => columns(matrix, rows, n, picked);
  const own = some(w, t.d);
  const finer = { ...settings.weights, format: settings.weights.at8Bits };
  const made = quantizeLinear(t, own, own.length / t.d, finer, null, fitted);
  const quantized = { ...made, shift: shift && some(shift, 1) };
  const inputs = inputsAt8Bits(variant, settings, samples, variants);
  const output = linearOutput(t, quantized, inputs);
  const { error } = energiesOf(some(exact, samples.count), output);
  const { signal } = energiesOf(exact, exact);
  return {
    output: sqnrDecibels({ signal, error: error * (n / quantized.n) }),
    // codes and scales; what else is stored beside them, the report adds
    bytes: storedBytes(quantized, n),
  };
}

/** The kept tokens with 8-bit activations; those that there are where they have 8 bits already. */
function inputsAt8Bits(
  { transform, activations, transformed }: Variant,
  { treatment, activations: given }: LinearSettings,
  samples: Samples,
  variants: Variants,
): TransformedSamples {
  const quantizer =
    treatment === 'weightOnly' || given.format.kind === 'float32'
      ? null
      : variants.quantizerAt8Bits(given, transform);
  const isSame = JSON.stringify(quantizer) === JSON.stringify(activations);
  return isSame ? transformed! : transformSamples(transform, samples, quantizer);
}
