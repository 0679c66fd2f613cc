import type * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { calibrate, type RewriteOptions, rewriteGraph } from '../../../src/index.js';
import { parseSafetensors } from '../../../src/load/safetensors.js';
import { inputsOf, outputOf, relative } from './publishedCases.js';

/** The models of test/fixtures/graphs: what Keras 3 and 2, plain TensorFlow and JAX made. */
export const CONVERTED = ['keras', 'kerasLegacy', 'tensorflow', 'flax'] as const;

/** How the converter stored their weights. */
export const STORED = ['float32', 'float16', 'uint8'] as const;

export type Stored = (typeof STORED)[number];

/**
 * What the models were given, new at each call; and what came of it. Of float32 that is what the
 * framework gives in which the model was made; of the others what TensorFlow gives for the
 * converted graph, with weights as its files have them.
 */
export interface ConvertedCase {
  readonly inputs: () => tf.NamedTensorMap;
  readonly expected: Readonly<Record<Stored, Float32Array>>;
}

/** The case of an expected.safetensors. */
export function convertedCase(file: Uint8Array): ConvertedCase {
  const { float32, float16, uint8, ...given } = Object.fromEntries(parseSafetensors(file));
  const expected = { float32: float32!.values, float16: float16!.values, uint8: uint8!.values };
  return { inputs: () => inputsOf(given), expected };
}

/** Nothing is quantized; what is transformed is. */
const EXACT: RewriteOptions = {
  ...{ weights: { bits: null }, activations: { bits: null }, weightOnly: { bits: null } },
};

/**
 * Calibrates the model on the backend that is set, and rewrites it: exactly, where the result must
 * be the maker's up to `bar`, and to W4A8, where it must be near.
 */
export async function expectRewritten(
  model: tf.GraphModel,
  { inputs, expected }: ConvertedCase,
  stored: Stored,
  bar: number,
): Promise<void> {
  const stats = await calibrate(model, [inputs()], {
    timestep: 'timestep',
    disposeBatches: true,
  });
  const error = async (options: RewriteOptions) => {
    const { model: rewritten } = rewriteGraph(model, { stats, compare: false, ...options });
    const values = await outputOf(rewritten, inputs());
    rewritten.dispose();
    return relative(values, expected[stored]);
  };
  expect(await error(EXACT), 'transformed only').to.be.below(bar);
  expect(await error({ weights: { bits: 4 }, activations: { bits: 8 } }), 'W4A8')
    .to.be.above(1e-3)
    .and.below(0.08);
}
