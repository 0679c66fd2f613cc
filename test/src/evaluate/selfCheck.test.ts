import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  AbortedError,
  HadaNormError,
  InvalidArgumentError,
  type Progress,
  rewriteGraph,
  SelfCheckError,
  selfCheck,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import {
  tinyBatch,
  tinyBatches,
  tinyDit,
  tinyStats,
  velocityOf,
} from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

describeOnBackends('selfCheck', (backend) => {
  let model: tf.GraphModel;
  const made: tf.GraphModel[] = [];

  before(async () => {
    model = await tinyDit({ depth: 1 });
    const stats = await tinyStats(model);
    const ways = [
      { method: 'hadanorm', center: 'dynamic', meanRank: 4 },
      { method: 'centered', activations: { bits: 4 }, weights: { bits: 3 } },
      { method: 'hadanorm', center: 'static', lowRank: 2 },
      { method: 'rtn', activations: { bits: 8, range: 'static' }, weights: { groupSize: 32 } },
    ] as const;
    for (const way of ways) made.push(rewriteGraph(model, { stats, compare: false, ...way }).model);
    // GPUs keep what they make of weights when these are first used
    for (const small of made) velocityOf(small, tinyBatch(1));
  });
  after(() => {
    model.dispose();
    for (const one of made) one.dispose();
  });

  it('finds nothing wrong with any kind of layer, and tells the differences', async () => {
    for (const small of made) {
      await expectNoLeakAsync(async () => {
        const told: Progress[] = [];
        const checked = await selfCheck(small, { layers: 99, onProgress: (at) => told.push(at) });
        expect(checked.length).to.be.above(6);
        expect(Math.max(...checked.map(({ difference }) => difference))).to.be.below(1e-3);
        expect(told.map(({ name }) => name)).to.deep.equal(checked.map(({ name }) => name));
        expect(told.at(-1)).to.include({ stage: 'check', done: checked.length });
      });
    }
  });

  it('takes inputs, and checks as many layers as wanted', async () => {
    await expectNoLeakAsync(async () => {
      const inputs = tinyBatch(4);
      const checked = await selfCheck(made[0]!, { inputs, layers: 2 });
      expect(checked.length).to.equal(2);
      tf.dispose(inputs);
    });
  });

  for (const [kernelName, what] of [
    ['QuantizedMatMul', 'the product'],
    ['HadaNormQuantize', 'the quantizer'],
  ] as const) {
    it(`throws a typed error where the kernel of ${kernelName} is broken`, async function () {
      const right = tf.getKernel(kernelName, backend);
      if (right === undefined) this.skip();
      tf.unregisterKernel(kernelName, backend);
      // another activation, and a rotation where there is none
      const wrong: tf.KernelFunc = (given) => {
        const { activation, blockSize } = given.attrs as Record<string, unknown>;
        const d = given.inputs.x!.shape.at(-1)!;
        const attrs = {
          ...given.attrs,
          ...(activation === undefined
            ? {}
            : { activation: activation === 'none' ? 'relu' : 'none' }),
          ...(blockSize === undefined ? {} : { blockSize: blockSize === 0 ? d : 0 }),
        };
        return right.kernelFunc({ ...given, attrs });
      };
      tf.registerKernel({ ...right, kernelFunc: wrong });
      try {
        const error = await rejection(selfCheck(made[1]!, { backend, layers: 99 }));
        expect(error).to.be.instanceOf(SelfCheckError).and.instanceOf(HadaNormError);
        const { layer, difference, backend: named } = error as SelfCheckError;
        expect(layer).to.match(/^(t_embedder|x_embedder|blocks|final_layer)\//);
        expect(named).to.equal(backend);
        expect(difference).to.be.above(1e-3);
        expect(error.message).to.include(`${what} of layer "${layer}" on ${backend} is off by`);
      } finally {
        tf.unregisterKernel(kernelName, backend);
        tf.registerKernel(right);
      }
      await selfCheck(made[1]!);
    });
  }

  it('refuses a model without quantized layers, and wrong options', async () => {
    const none = await rejection(selfCheck(model));
    expect(none).to.be.instanceOf(InvalidArgumentError);
    expect(none.message).to.include('one with quantized layers');
    const other = await rejection(selfCheck(made[0]!, { backend: 'abacus' }));
    expect(other.message).to.match(/^selfCheck: backend must be .*, got "abacus"/);
    expect(tf.getBackend()).to.equal(backend);
    const signal = AbortSignal.abort();
    expect(await rejection(selfCheck(made[0]!, { signal }))).to.be.instanceOf(AbortedError);
  });

  it('goes back to the backend that it found', async () => {
    const batches = tinyBatches(1);
    await selfCheck(made[0]!, { backend, inputs: batches[0]!, layers: 1 });
    expect(tf.getBackend()).to.equal(backend);
    tf.dispose(batches);
  });
});
