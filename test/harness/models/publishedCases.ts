import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { parseSafetensors, type WeightValues } from '../../../src/load/safetensors.js';
import type { LoadCheckpointOptions } from '../../../src/load.js';

/** The checkpoints of test/fixtures/checkpoints, and what loading them takes besides. */
export const PUBLISHED: Readonly<Record<string, LoadCheckpointOptions>> = {
  dit: {},
  pixartAlpha: { textTokens: 6 },
  pixartSigma: { textTokens: 6 },
  sd3: { textTokens: 5, width: 12 },
  sd35: { textTokens: 5, width: 12 },
  flux: { textTokens: 5, height: 6, width: 8 },
  fluxSchnell: { textTokens: 5, height: 6, width: 8 },
  facebookDit: { config: { num_heads: 4 } },
};

/** Whose structure no other has: what all backends rewrite. */
export const DISTINCT: readonly string[] = ['dit', 'pixartAlpha', 'sd35', 'flux'];

/** What a fixture's model was given, and what PyTorch says of it in float64. */
export interface PublishedCase {
  readonly inputs: tf.NamedTensorMap;
  readonly expected: Float32Array;
}

const INTEGERS = ['label', 'textMask'];

/** The case of a file of test/fixtures/checkpoints/expected. */
export function caseOf(file: Uint8Array): PublishedCase {
  const { prediction, ...given } = Object.fromEntries(parseSafetensors(file));
  return { inputs: inputsOf(given), expected: prediction!.values };
}

/** Arrays of a file as inputs of a model, by their names. */
export function inputsOf(given: Readonly<Record<string, WeightValues>>): tf.NamedTensorMap {
  const inputs = Object.entries(given).map(([input, { shape, values }]) => [
    input,
    tf.tensor(values, [...shape], INTEGERS.includes(input) ? 'int32' : 'float32'),
  ]);
  return Object.fromEntries(inputs);
}

/** What a model gives for inputs that are disposed of here. */
export async function outputOf(
  model: tf.GraphModel,
  inputs: tf.NamedTensorMap,
): Promise<Float32Array> {
  const output = model.predict(inputs) as tf.Tensor;
  const values = (await output.data()) as Float32Array;
  tf.dispose([output, inputs]);
  return values;
}

/** ‖actual − wanted‖ / ‖wanted‖. */
export function relative(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(actual.length).to.equal(wanted.length);
  let [off, all] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    off += (actual[i]! - wanted[i]!) ** 2;
    all += wanted[i]! ** 2;
  }
  return Math.sqrt(off / all);
}
