import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  InvalidArgumentError,
  quantizedFiles,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import { tinyBatch, tinyDit, velocityOf } from '../../harness/models/tinyDit.js';
import { fromFiles } from '../../harness/run/files.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';
import { savedBy } from '../../harness/run/savedBy.js';

describe('saveQuantized', () => {
  let small: tf.GraphModel;
  before(async () => {
    await tf.setBackend('cpu');
    const model = await tinyDit({ hiddenSize: 16 });
    ({ model: small } = rewriteGraph(model, { method: 'hadamard', compare: false }));
    model.dispose();
  });
  after(() => small.dispose());

  it('passes on what a handler throws; the model stays as it was', async () => {
    const expected = velocityOf(small, tinyBatch(1));
    const full = new Error('the disk is full');
    let calls = 0;
    const handler: tf.io.IOHandler = {
      save: () => {
        calls++;
        return Promise.reject(full);
      },
    };
    await expectNoLeakAsync(async () => {
      expect(await rejection(saveQuantized(small, handler))).to.equal(full);
    });
    expect(calls, 'one call with everything').to.equal(1);
    expect(velocityOf(small, tinyBatch(1))).to.deep.equal(expected);
  });

  it('refuses what it cannot save to, and options that are none', async () => {
    for (const wrong of ['nowhere://x', null, {}, 3]) {
      const error = await rejection(saveQuantized(small, wrong as string));
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(error.message).to.include('target must be');
    }
    for (const shardBytes of [0, 1.5, -1, '4']) {
      const error = await rejection(quantizedFiles(small, { shardBytes: shardBytes as number }));
      expect(error.message).to.include('shardBytes must be an integer');
    }
    const error = await rejection(saveQuantized({} as tf.GraphModel, fromFiles(new Map())));
    expect(error).to.be.instanceOf(InvalidArgumentError);
  });

  it('of a disposed model says so', async () => {
    const model = await tinyDit({ hiddenSize: 16 });
    const { model: gone } = rewriteGraph(model, { method: 'hadamard', compare: false });
    model.dispose();
    gone.dispose();
    const error = await rejection(savedBy((handler) => saveQuantized(gone, handler)));
    expect(error.message).to.include('disposed');
  });
});
