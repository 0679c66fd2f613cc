import * as tf from '@tensorflow/tfjs';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { expect } from 'chai';
import { channelCenter, fakeQuant, hadamardTransform, supportMatrix } from '../../src/index.js';
import { expectWithin } from '../harness/compare.js';
import { expectNoLeak } from '../harness/memory.js';
import { normal } from '../harness/random.js';

const OPS = ['HadamardTransform', 'ChannelCenter', 'FakeQuant'];
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
    expect(kinds()).to.deep.equal(['none', 'none', 'none']);
    tf.tidy(() => {
      hadamardTransform([1, 2]);
      channelCenter([[1], [2]]);
      fakeQuant([1, 2]);
    });
    expect(kinds()).to.deep.equal(['composed', 'composed', 'composed']);
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
          return [f(input), tf.grad(f)(input)].map((t) => t.dataSync().slice());
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
