import * as tf from '@tensorflow/tfjs';
import { MathBackendWebGL } from '@tensorflow/tfjs-backend-webgl';
import { expect } from 'chai';
import {
  channelCenter,
  fakeQuant,
  hadamardTransform,
  hadaNormQuantize,
  quantizedMatMul,
  WebglContextLostError,
} from '../../../src/index.js';
import { normal } from '../../harness/numbers/random.js';
import { D, packed, tensor } from '../../harness/ops/quantizedMatMul.js';
import { expectNoLeak } from '../../harness/run/memory.js';
import { describeOnWebgl } from '../../harness/webgl/webgl.js';

const LOST = 'webgl that loses its context';

/** Calls through the public functions, by the op that runs. */
const CALLS: Record<string, () => tf.TensorContainer> = {
  HadamardTransform: () => hadamardTransform(tf.ones([2, 16])),
  ChannelCenter: () => ({ ...channelCenter(tf.ones([2, 16])) }),
  FakeQuant: () => fakeQuant(tf.ones([2, 16])),
  HadaNormQuantize: () => ({ ...hadaNormQuantize(tf.ones([2, 16])).quantized }),
  QuantizedMatMul: () => quantizedMatMul(tensor('x'), packed()),
};

describeOnWebgl('A WebGL context that is lost', () => {
  let backend: MathBackendWebGL;

  // of its own, so that the page's backend lives on
  before(async () => {
    backend = new MathBackendWebGL(document.createElement('canvas'));
    tf.registerBackend(LOST, () => backend);
    tf.copyRegisteredKernels('webgl', LOST);
    await tf.setBackend(LOST);
  });

  after(async () => {
    await tf.setBackend('webgl');
    tf.removeBackend(LOST);
  });

  it('the ops work before it is', () => {
    for (const call of Object.values(CALLS)) expectNoLeak(() => tf.tidy(() => void call()));
    const y = tf.tidy(() => fakeQuant([[-1, 0, 0.4, 2]], { bits: 2 }).arraySync());
    expect(y).to.deep.equal([[-1, 0, 0, 2]]);
  });

  it('what it had made on the GPU makes every op throw a typed error and leave nothing', () => {
    const weights = packed();
    const x = tf.tensor2d(normal(4 * D, 3), [4, D]);
    tf.dispose(quantizedMatMul(x, weights));
    backend.gpgpu.gl.getExtension('WEBGL_lose_context')!.loseContext();
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

  it('other backends go on', async () => {
    await tf.setBackend('webgl');
    for (const call of Object.values(CALLS)) tf.tidy(() => void call());
    const y = tf.tidy(() => fakeQuant([[-1, 0, 0.4, 2]], { bits: 2 }).arraySync());
    expect(y).to.deep.equal([[-1, 0, 0, 2]]);
  });
});
