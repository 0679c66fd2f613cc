import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { drawDigits } from '../../examples/quantizationAwareTraining/digits.js';
import { EagerReader, gradientsThrough } from '../../examples/quantizationAwareTraining/eager.js';
import {
  type Bits,
  FLOAT,
  HadaNormDense,
  hadaNormLinear,
} from '../../examples/quantizationAwareTraining/hadaNormDense.js';
import {
  digitReader,
  figuresOf,
  reloaded,
  requantized,
  train,
} from '../../examples/quantizationAwareTraining/train.js';
import { describeOnBackends } from '../harness/backends/onBackends.js';
import { expectWithin } from '../harness/numbers/compare.js';
import { normal } from '../harness/numbers/random.js';
import { expectNoLeakAsync } from '../harness/run/memory.js';

const BITS: Bits = { weights: 2, activations: 2 };
const SEED = 3;

/**
 * By how much training through the quantizers must read more digits than quantizing after training.
 */
const MARGIN = 0.04;

/** The weights of a reader in float32, trained once for all backends. */
let trained: Promise<Float32Array[]> | undefined;

describeOnBackends('Quantization-aware training', (backend) => {
  let float: tf.Sequential;

  before(async () => {
    await tf.setBackend('wasm');
    trained ??= floatWeights();
    const weights = await trained;
    await tf.setBackend(backend);
    float = digitReader(FLOAT, SEED);
    tf.tidy(() => {
      const shapes = float.getWeights().map(({ shape }) => shape);
      float.setWeights(weights.map((values, i) => tf.tensor(values, shapes[i]!)));
    });
  });
  after(() => void float.dispose());

  it('the layer without bits is a plain linear', () => {
    tf.tidy(() => {
      const x = tf.tensor3d(normal(2 * 5 * 12, 1, 0.5), [2, 5, 12]);
      const kernel = tf.tensor2d(normal(12 * 7, 2), [12, 7]);
      const bias = tf.tensor1d(normal(7, 3));
      const plain = tf.add(tf.matMul(tf.reshape(x, [10, 12]), kernel), bias);
      const ours = hadaNormLinear(x, kernel, bias, FLOAT);
      expect(ours.shape).to.deep.equal([2, 5, 7]);
      expectWithin(ours.dataSync(), plain.dataSync(), 1e-4);
    });
  });

  it('the gradient is straight-through, where that of rounding is 0', () => {
    const weights = tf.tensor2d(normal(64, 4), [8, 8]);
    const { ours, rounded } = gradientsThrough(weights, 3);
    expect(rounded).to.equal(0);
    expect(ours).to.be.above(1);
    weights.dispose();
  });

  if (backend === 'webgpu') {
    it.skip('SKIPPED: the network takes minutes on WebGPU without a GPU');
    return;
  }

  it('a saved model comes back with its bits', async () => {
    const model = requantized(float, BITS, SEED);
    const again = await reloaded(model);
    expect(again.layers[1]).to.be.instanceOf(HadaNormDense);
    expect(again.layers[1]!.getConfig()).to.deep.equal(model.layers[1]!.getConfig());
    const unseen = drawDigits(50, 2);
    expect(figuresOf(again, unseen)).to.deep.equal(figuresOf(model, unseen));
    tf.dispose(unseen as unknown as tf.TensorContainer);
    model.dispose();
    again.dispose();
  });

  it('model.fit regains what 2 bits lose', async () => {
    await expectNoLeakAsync(async () => {
      const [digits, unseen] = [drawDigits(400, 1), drawDigits(250, 2)];
      const model = requantized(float, BITS, SEED);
      const before = figuresOf(model, unseen);
      const losses = await train(model, digits, { epochs: 2, learningRate: 0.001 });
      const after = figuresOf(model, unseen);
      expect(losses[1]).to.be.below(0.8 * losses[0]!);
      expect(after.loss).to.be.below(before.loss);
      expect(after.accuracy).to.be.at.least(before.accuracy + MARGIN);
      (model as unknown as { optimizer_: tf.Optimizer }).optimizer_.dispose();
      tf.dispose([digits, unseen] as unknown as tf.TensorContainer);
      model.dispose();
    });
  });

  it('eager code does too', async () => {
    await expectNoLeakAsync(async () => {
      const [digits, unseen] = [drawDigits(400, 1), drawDigits(250, 2)];
      const reader = new EagerReader(float.getWeights(), BITS);
      const before = reader.accuracy(unseen);
      for (const norm of reader.gradientNorms(digits)) expect(norm).to.be.above(1e-4);
      const losses = reader.train(digits, 16, 0.001);
      const mean = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
      expect(mean(losses.slice(-8))).to.be.below(0.8 * mean(losses.slice(0, 8)));
      expect(reader.accuracy(unseen)).to.be.at.least(before + MARGIN);
      reader.dispose();
      tf.dispose([digits, unseen] as unknown as tf.TensorContainer);
    });
  });
});

/** Trains a reader in float32 on the current backend. */
async function floatWeights(): Promise<Float32Array[]> {
  const digits = drawDigits(1000, 1);
  const model = digitReader(FLOAT, SEED);
  await train(model, digits, { epochs: 5, learningRate: 0.005 });
  const values = model.getWeights().map((weight) => Float32Array.from(weight.dataSync()));
  model.dispose();
  tf.dispose(digits as unknown as tf.TensorContainer);
  return values;
}
