import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  channelCenter,
  fakeQuant,
  hadamardTransform,
  hadaNormQuantize,
  modulatedLayerNorm,
  quantizedMatMul,
  scaledDotProductAttention,
  WebglContextLostError,
} from '../../../src/index.js';
import {
  lose,
  loseAfter,
  loseAndRestore,
  removeLosable,
  upload,
  useLosable,
} from '../../harness/devices/losable.js';
import { normal } from '../../harness/numbers/random.js';
import { D, packed, tensor } from '../../harness/ops/quantizedMatMul.js';
import { expectNoLeak } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';
import { describeOnWebgl } from '../../harness/webgl/webgl.js';

const ATTENDED: [number, number, number, number] = [1, 2, 3, 4];

/** Calls through the public functions, by the op that runs; webgl composes the last two. */
const CALLS: Record<string, () => tf.TensorContainer> = {
  HadamardTransform: () => hadamardTransform(tf.ones([2, 16])),
  ChannelCenter: () => ({ ...channelCenter(tf.ones([2, 16])) }),
  FakeQuant: () => fakeQuant(tf.ones([2, 16])),
  HadaNormQuantize: () => ({ ...hadaNormQuantize(tf.ones([2, 16])).quantized }),
  QuantizedMatMul: () => quantizedMatMul(tensor('x'), packed()),
  ScaledDotProductAttention: () => {
    const q = tf.ones(ATTENDED);
    return scaledDotProductAttention(q, q, q);
  },
  ModulatedLayerNorm: () => modulatedLayerNorm(tf.ones([2, 16])),
};

/** What the next event of the page comes after. */
const aMoment = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Numbers that are on the GPU alone. */
function onGpu(): tf.Tensor {
  const x = tf.tensor2d(normal(4 * D, 3), [4, D]);
  upload(x);
  return x;
}

describeOnWebgl('A WebGL context that is lost', () => {
  beforeEach(() => useLosable('webgl'));
  after(async () => {
    await tf.setBackend('webgl');
    removeLosable('webgl');
  });

  it('the ops work before it is, and other backends go on', async () => {
    const expectCodes = () => {
      const y = tf.tidy(() => fakeQuant([[-1, 0, 0.4, 2]], { bits: 2 }).arraySync());
      expect(y).to.deep.equal([[-1, 0, 0, 2]]);
    };
    for (const call of Object.values(CALLS)) expectNoLeak(() => tf.tidy(() => void call()));
    expectCodes();
    lose();
    await tf.setBackend('webgl');
    expectCodes();
  });

  it('every op throws a typed error and leaves nothing', () => {
    const weights = packed();
    const x = tf.tensor2d(normal(4 * D, 3), [4, D]);
    tf.dispose(quantizedMatMul(x, weights));
    lose();
    expect(() => quantizedMatMul(x, weights)).to.throw(WebglContextLostError);
    for (const [op, call] of Object.entries(CALLS)) {
      expectNoLeak(() =>
        tf.tidy(() => {
          expect(call, op).to.throw(WebglContextLostError, `${op}: the WebGL context is lost`);
        }),
      );
    }
    tf.dispose([x, weights.codes, weights.scale!]);
  });

  it('a gradient throws where it is lost behind the op', () => {
    const range = { min: -1, max: 1 };
    const loss = (x: tf.Tensor) => {
      const y = fakeQuant(x, { granularity: { kind: 'perTensor' }, range });
      lose();
      return tf.sum(y) as tf.Scalar;
    };
    const gradient = tf.grad(loss);
    tf.tidy(() => {
      const x = tf.ones([2, 16]);
      expect(() => gradient(x)).to.throw(WebglContextLostError, 'FakeQuant: ');
    });
  });

  it('what tfjs itself reads is no zeros: it throws, and what waits is told', async () => {
    const [y, waits, read] = [onGpu(), onGpu(), onGpu()];
    tf.dispose(fakeQuant(y));
    const values = Array.from(read.dataSync());
    const waiting = [waits.data(), waits.data()].map(rejection);
    lose();
    expect(() => y.dataSync()).to.throw(WebglContextLostError);
    for (const error of await Promise.all([...waiting, rejection(y.data())])) {
      expect(error).to.be.instanceOf(WebglContextLostError);
    }
    expect(() => waits.dataSync()).to.throw(WebglContextLostError);
    expect(Array.from(read.dataSync()), 'what was read before').to.deep.equal(values);
    const { numDataBuffers } = tf.memory();
    tf.dispose([y, waits, read]);
    expect(tf.memory().numDataBuffers).to.equal(numDataBuffers - 3);
  });

  it('zeros that tfjs read of a context lost meanwhile are not kept', () => {
    const y = onGpu();
    tf.dispose(fakeQuant(y));
    // the one that unpacks the numbers to be read
    loseAfter(0);
    for (const time of ['first', 'second']) {
      expect(() => y.dataSync(), time).to.throw(WebglContextLostError);
    }
    y.dispose();
  });

  it('its tensors do not come to another backend as zeros', async () => {
    const y = onGpu();
    tf.dispose(fakeQuant(y));
    lose();
    await tf.setBackend('cpu');
    expect(() => tf.add(y, 1)).to.throw(WebglContextLostError);
    expect(() => fakeQuant(y)).to.throw(WebglContextLostError, 'FakeQuant: ');
    y.dispose();
  });

  it('a context that is restored stays lost, for it comes back empty', async () => {
    const weights = packed();
    const x = onGpu();
    tf.dispose([quantizedMatMul(x, weights), hadamardTransform(tf.ones([2, 12]))]);
    await loseAndRestore();
    for (const call of Object.values(CALLS)) {
      tf.tidy(() => void expect(call).to.throw(WebglContextLostError));
    }
    expect(() => x.dataSync()).to.throw(WebglContextLostError);
    tf.dispose([x, weights.codes, weights.scale!]);
  });

  it('it is known where it was lost and restored before the first op', async () => {
    await loseAndRestore();
    tf.tidy(() => {
      expect(() => fakeQuant(tf.ones([2, 16]))).to.throw(WebglContextLostError);
    });
  });

  it('tensors of a backend that was removed throw, and say that it was', async () => {
    const y = onGpu();
    tf.dispose(fakeQuant(y));
    await tf.setBackend('webgl');
    removeLosable('webgl');
    const removed = 'the backend webgl was removed';
    expect(() => y.dataSync()).to.throw(WebglContextLostError, removed);
    expect(() => fakeQuant(y)).to.throw(WebglContextLostError, `FakeQuant: ${removed}`);
    y.dispose();
  });
});

describeOnWebgl('The backend webgl, removed and registered anew in a page', () => {
  /** Through a resident matrix, weights' textures and compositions. */
  const run = () =>
    tf.tidy(() => [
      ...hadamardTransform(tf.tensor2d(normal(24, 5), [2, 12])).dataSync(),
      ...quantizedMatMul(tensor('x'), packed()).dataSync(),
      ...modulatedLayerNorm(tf.tensor2d(normal(32, 7), [2, 16])).dataSync(),
    ]);

  async function anew(): Promise<void> {
    const factory = tf.findBackendFactory('webgl');
    tf.removeBackend('webgl');
    tf.registerBackend('webgl', factory, 2);
    expect(await tf.setBackend('webgl')).to.equal(true);
  }

  it('gives the same numbers, whether its context was lost or not', async () => {
    await tf.setBackend('webgl');
    const before = run();
    expect(run()).to.deep.equal(before);
    await anew();
    expect(run()).to.deep.equal(before);
    lose('webgl');
    await aMoment();
    expect(run).to.throw(WebglContextLostError);
    await anew();
    expect(run()).to.deep.equal(before);
    expect(run()).to.deep.equal(before);
  });
});
