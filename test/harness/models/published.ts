import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { ROOT } from '../../../scripts/process.js';
import { parseSafetensors } from '../../../src/load/safetensors.js';
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

const INTEGERS = ['label', 'textMask'];

/** The folder of a checkpoint. */
export function publishedFolder(name: string): string {
  return join(ROOT, 'test/fixtures/checkpoints', name);
}

/** What the fixture's model was given, and what PyTorch says of it in float64. */
export function publishedCase(name: string): { inputs: tf.NamedTensorMap; expected: Float32Array } {
  const file = readFileSync(join(publishedFolder('expected'), `${name}.safetensors`));
  const { prediction, ...given } = Object.fromEntries(parseSafetensors(file));
  const inputs = Object.entries(given).map(([input, { shape, values }]) => [
    input,
    tf.tensor(values, [...shape], INTEGERS.includes(input) ? 'int32' : 'float32'),
  ]);
  return { inputs: Object.fromEntries(inputs), expected: prediction!.values };
}
