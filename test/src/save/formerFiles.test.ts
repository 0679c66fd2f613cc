import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { loadQuantized } from '../../../src/index.js';
import '../../harness/backends/backends.js';
import { tinyBatch, velocityOf } from '../../harness/models/tinyDit.js';

/**
 * A packed tinyDit as the package wrote it when there were neither branches along the activations
 * nor presets (W4A4, lowRank), or no fused branches yet (subtracted), and what it gave for a batch
 * on the cpu backend. They stay as they are: a file of the present version must go on loading.
 */
interface Packed {
  readonly artifacts: tf.io.ModelArtifacts & { readonly weightData: string };
  readonly velocity: readonly number[];
}

const FOLDER = new URL('../../fixtures/packed/', import.meta.url);

describe('A packed model of an earlier day', () => {
  for (const backend of ['cpu', 'wasm']) {
    for (const file of readdirSync(FOLDER)) {
      it(`${file} loads on ${backend}, and gives what it gave`, async () => {
        await tf.setBackend(backend);
        const text = gunzipSync(readFileSync(new URL(file, FOLDER))).toString();
        const { artifacts, velocity }: Packed = JSON.parse(text);
        const weightData = Uint8Array.from(Buffer.from(artifacts.weightData, 'base64')).buffer;
        const model = await loadQuantized(tf.io.fromMemory({ ...artifacts, weightData }));
        const now = velocityOf(model, tinyBatch(777));
        model.dispose();
        expect(now.length).to.equal(velocity.length);
        const norm = Math.hypot(...velocity);
        expect(Math.hypot(...velocity.map((v, i) => v - now[i]!)) / norm).to.be.below(1e-5);
      });
    }
  }
});
