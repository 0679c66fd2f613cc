import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { HadaNormError, rewriteGraph, rewriteGraphAsync } from '../../../src/index.js';
import { tinyArtifacts, weightDataOf } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

const told =
  /^rewriteGraph: "[^"]+": the weights hold NaN at \[0, 0\], which no code stands for\. Leave/;

describe('Weights that no code stands for', () => {
  it('are told in the name of the function called, with the linear that has them', async () => {
    await tf.setBackend('cpu');
    const artifacts = tinyArtifacts({ hiddenSize: 16 });
    const data = weightDataOf(artifacts).slice();
    const floats = new Float32Array(data.buffer, 0, data.length >> 2);
    floats.fill(Number.NaN);
    await expectNoLeakAsync(async () => {
      const weightData = data.buffer;
      const model = await tf.loadGraphModel(tf.io.fromMemory({ ...artifacts, weightData }));
      const options = { method: 'rtn', compare: false } as const;
      expect(() => rewriteGraph(model, options)).to.throw(HadaNormError, told);
      const error = await rejection(rewriteGraphAsync(model, options));
      expect(error.message).to.match(/^rewriteGraphAsync: "[^"]+": the weights hold NaN/);
      expect(error.cause).to.be.instanceOf(HadaNormError);
      model.dispose();
    });
  });
});
