import * as tf from '@tensorflow/tfjs';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { expect } from 'chai';
import { packCodes } from '../../ops/numerics/packing.js';
import {
  channelCenter,
  fakeQuant,
  hadamardTransform,
  hadaNormQuantize,
  modulatedLayerNorm,
  type PackedWeights,
  quantizedMatMul,
  scaledDotProductAttention,
  supportMatrix,
} from '../../src/index.js';
import { expectWithin } from '../harness/numbers/compare.js';
import { normal } from '../harness/numbers/random.js';
import { expectNoLeak } from '../harness/run/memory.js';

const OPS = [
  'HadamardTransform',
  'ChannelCenter',
  'FakeQuant',
  'HadaNormQuantize',
  'QuantizedMatMul',
  'ScaledDotProductAttention',
  'ModulatedLayerNorm',
];
const NAME = 'someone-elses-backend';

describe('A backend that this package does not know', () => {
  before(async () => {
    tf.registerBackend(NAME, () => new MathBackendCPU());
    tf.copyRegisteredKernels('cpu', NAME);
    for (const op of OPS) tf.unregisterKernel(op, NAME);
    await tf.setBackend(NAME);
  });

  after(async () => {
    await tf.setBackend('cpu');
    for (const { kernelName } of tf.getKernelsForBackend(NAME))
      tf.unregisterKernel(kernelName, NAME);
    tf.removeBackend(NAME);
  });

  it('shows as unsupported until an op runs there, then as composed', () => {
    const kinds = () => supportMatrix([NAME]).map(({ backends }) => backends[NAME]);
    expect(kinds()).to.deep.equal(OPS.map(() => 'none'));
    tf.tidy(() => {
      hadamardTransform([1, 2]);
      channelCenter([[1], [2]]);
      fakeQuant([1, 2]);
      hadaNormQuantize([[1, 2]]);
      quantizedMatMul([[1, 2]], weights());
      scaledDotProductAttention([[1]], [[1]], [[1]]);
      modulatedLayerNorm([1, 2]);
    });
    expect(kinds()).to.deep.equal(OPS.map(() => 'composed'));
  });

  it('runs every op and its gradient as on cpu, without a leak', async () => {
    const x = normal(4 * 24, 1);
    const run = () =>
      expectNoLeak(() =>
        tf.tidy(() => {
          const f = (t: tf.Tensor) =>
            fakeQuant(hadamardTransform(channelCenter(t, { scale: normal(24, 2) }).centered), {
              bits: 4,
              granularity: { kind: 'perTensor' },
              range: { min: -4, max: 4 },
            });
          const input = tf.tensor2d(x, [4, 24]);
          const product = quantizedMatMul(tf.reshape(input, [48, 2]), weights());
          const attended = scaledDotProductAttention(input, input, modulatedLayerNorm(input));
          return [f(input), tf.grad(f)(input), product, attended].map((t) => t.dataSync().slice());
        }),
      );
    const here = run();
    await tf.setBackend('cpu');
    const there = run();
    await tf.setBackend(NAME);
    here.forEach((values, i) => {
      expectWithin(values, there[i]!, 1e-5);
    });
  });
});

/** Codes 1 and −2 at 4 bits, times 0.5. */
function weights(): PackedWeights {
  const codes = tf.tensor1d(packCodes(Int8Array.of(1, -2), 2, 1, 4), 'bool');
  return { codes, scale: tf.tensor2d([0.5], [1, 1]), bits: 4, groupSize: 2, shape: [2, 1] };
}
