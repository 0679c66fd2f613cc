import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { toGraphModel } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';

type Op = (x: tf.Tensor3D) => tf.Tensor | tf.Tensor[];

const B = (x: tf.Tensor) => x.shape[0]!;
const ids = (x: tf.Tensor) => tf.cast(tf.clipByValue(tf.abs(tf.mul(x, 3)), 0, 4), 'int32');
const image = (x: tf.Tensor3D) => tf.reshape(x, [B(x), 4, 6, 1]) as tf.Tensor4D;
const w = tf.tensor2d(
  [...'123456789abc'].map((c) => Number.parseInt(c, 16) / 10),
  [6, 2],
);
const filter = tf.reshape(w, [2, 2, 1, 3]) as tf.Tensor4D;
const bias = tf.tensor1d([0.1, -0.2, 0.3]);
const rows = (x: tf.Tensor3D) => tf.reshape(x, [B(x) * 4, 6]) as tf.Tensor2D;

/** Ops of tfjs, each with what of it decides how it is written. */
const OPS: Readonly<Record<string, Op>> = {
  'values by themselves': (x) =>
    [
      ...[tf.abs, tf.exp, tf.neg, tf.square, tf.sin, tf.cos, tf.tanh, tf.sigmoid, tf.erf, tf.floor],
      ...[tf.ceil, tf.round, tf.sign, tf.softplus, tf.elu, tf.relu, tf.relu6, tf.selu, tf.expm1],
      ...[tf.atan, tf.asinh, tf.reciprocal, tf.zerosLike, tf.onesLike],
    ].map((op) => op(x)),
  'values above nought': (x) => {
    const y = tf.add(tf.abs(x), 0.1);
    return [tf.sqrt, tf.rsqrt, tf.log, tf.log1p].map((op) => op(y));
  },
  'two operands': (x) => {
    const y = tf.add(tf.abs(tf.reverse(x, 1)), 0.5);
    const ops = [tf.add, tf.sub, tf.mul, tf.div, tf.maximum, tf.minimum, tf.mod, tf.floorDiv];
    return [...ops, tf.squaredDifference, tf.atan2].map((op) => op(x, y));
  },
  comparisons: (x) => {
    const y = tf.reverse(x, 1);
    const ops = [tf.greater, tf.greaterEqual, tf.less, tf.lessEqual, tf.equal, tf.notEqual];
    const [a, b] = ops.map((op) => op(x, y));
    return [tf.logicalAnd(a!, b!), tf.logicalOr(a!, b!), tf.where(a!, x, y), tf.logicalNot(a!)];
  },
  'pow, clip, leaky relu, prelu': (x) => [
    tf.pow(tf.abs(x), 1.5),
    tf.clipByValue(x, -0.5, 0.25),
    tf.leakyRelu(x, 0.3),
    tf.prelu(x, tf.fill([1, 1, 6], 0.2)),
  ],
  'sums of several': (x) => tf.addN([x, x, tf.square(x)]),
  softmax: (x) => [tf.softmax(x), tf.logSoftmax(x)],
  casts: (x) => [tf.cast(x, 'int32'), tf.cast(x, 'bool'), tf.cast(x, 'float32')],
  reductions: (x) => [
    tf.mean(x, 1),
    tf.sum(x, [1, 2], true),
    tf.max(x, -1),
    tf.min(x, 0),
    tf.prod(x, 2),
    tf.all(tf.cast(x, 'bool'), 1),
    tf.any(tf.cast(x, 'bool'), 1, true),
    tf.argMax(x, -1),
    tf.argMin(x, 1),
  ],
  moments: (x) => Object.values(tf.moments(x, -1, true)) as tf.Tensor[],
  'cumulated sums': (x) => [tf.cumsum(x, 1), tf.cumsum(x, 2, true, true)],
  views: (x) => [
    tf.reshape(x, [B(x), 24]),
    tf.reshape(x, [B(x) * 2, 12]),
    tf.expandDims(x, 1),
    tf.squeeze(tf.expandDims(x, 2), [2]),
    tf.transpose(x, [1, 0, 2]),
    tf.reshape(tf.transpose(x, [1, 0, 2]), [4, B(x) * 6]),
    x.clone(),
    x,
  ],
  slices: (x) => [
    tf.slice(x, [0, 1, 2], [-1, 2, 3]),
    tf.slice(x, [0, 0, 3], [B(x), 4, 3]),
    tf.stridedSlice(x, [0, 0, 0], [0, 4, 6], [1, 2, 3], 1, 1),
    tf.gather(x, [3, 0], 1),
    tf.reverse(x, [1, 2]),
  ],
  'halves of a batch that was doubled': (x) => {
    const both = tf.concat([x, tf.neg(x)], 0);
    return [
      tf.slice(both, [0, 0, 0], [B(x), 4, 6]),
      tf.slice(both, [B(x), 1, 0], [B(x), 2, 6]),
      ...tf.split(both, 2, 0),
      ...tf.split(tf.concat([both, x], 0), [B(x), 2 * B(x)], 0),
    ];
  },
  gradients: (x) => tf.grad((y) => tf.sum(tf.tanh(tf.square(y))))(x),
  'the largest': (x) => Object.values(tf.topk(x, 2)) as tf.Tensor[],
  'a transposed convolution': (x) =>
    tf.conv2dTranspose(
      image(x),
      filter.slice([0, 0, 0, 0], [2, 2, 1, 1]),
      [B(x), 8, 12, 1],
      2,
      'same',
    ),
  parts: (x) => [
    ...tf.split(x, 2, 1),
    ...tf.split(x, [1, 2, 3], -1),
    ...tf.unstack(x, 1).slice(0, 2),
    ...tf.unstack(x, -1).slice(3),
  ],
  wholes: (x) => [tf.concat([x, x], 1), tf.concat([x, x, x], -1), tf.stack([x, x], 2)],
  tiles: (x) => [tf.tile(x, [1, 2, 3]), tf.broadcastTo(tf.mean(x, 1, true), [B(x), 5, 6])],
  'constants as long as the batch': (x) => [
    tf.add(x, tf.ones([B(x), 4, 6])),
    tf.concat([x, tf.zeros([B(x), 1, 6])], 1),
    tf.concat([tf.tile(tf.reshape(tf.range(0, 12), [1, 2, 6]), [B(x), 1, 1]), x], 1),
    tf.mul(x, tf.fill([B(x), 1, 1], 3)),
  ],
  'two lengths with the batch in them': (x) =>
    tf
      .matMul(rows(x), tf.transpose(rows(x)))
      .reshape([B(x), 4, B(x), 4])
      .sum([2, 3]),
  lookups: (x) => [
    tf.gather(w, ids(x)),
    tf.oneHot(ids(x), 5),
    tf.oneHot(ids(x), 5, 2, -1, 'float32'),
  ],
  'lookups by sample': (x) =>
    tf.gather(
      x,
      tf.reshape(ids(tf.slice(x, [0, 0, 0], [-1, 4, 1])), [B(x), 4]).minimum(tf.scalar(3, 'int32')),
      1,
      1,
    ),
  pads: (x) => [
    tf.pad(
      x,
      [
        [0, 0],
        [1, 0],
        [0, 2],
      ],
      7,
    ),
    tf.mirrorPad(
      x,
      [
        [0, 0],
        [1, 1],
        [0, 2],
      ],
      'reflect',
    ),
  ],
  products: (x) => [
    tf.matMul(rows(x), w),
    tf.matMul(w, rows(x), true, true),
    tf.matMul(x, x, false, true),
    tf.matMul(x, x, true, false),
    tf.dot(rows(x), w),
  ],
  einsum: (x) => [tf.einsum('btd,dk->btk', x, w), tf.einsum('bTd,btd->bTt', x, x)],
  'fused products': (x) => [
    tf.fused.matMul({ a: rows(x), b: w, bias: tf.tensor1d([1, -1]), activation: 'relu' }),
    tf.fused.matMul({ a: rows(x), b: w, activation: 'sigmoid' }),
    tf.fused.matMul({ a: x, b: x, transposeB: true, activation: 'elu' }),
    tf.fused.matMul({ a: rows(x), b: w, activation: 'leakyrelu', leakyreluAlpha: 0.1 }),
  ],
  convolutions: (x) => [
    tf.conv2d(image(x), filter, 2, 'valid'),
    tf.conv2d(image(x), filter, [1, 2], 'same'),
    tf.fused.conv2d({ x: image(x), filter, strides: 1, pad: 'same', bias, activation: 'relu' }),
    tf.depthwiseConv2d(image(x), tf.reshape(filter, [2, 2, 1, 3]), 1, 'same'),
    tf.conv1d(x, tf.reshape(w, [1, 6, 2]), 1, 'valid'),
  ],
  'a convolution with its own padding': (x) => [
    tf.conv2d(image(x), filter, 1, 1, 'NHWC', 1, 'floor'),
    tf.conv2d(image(x), filter, 1, [
      [0, 0],
      [1, 0],
      [0, 1],
      [0, 0],
    ]),
  ],
  pools: (x) => [tf.maxPool(image(x), 2, 2, 'valid'), tf.avgPool(image(x), [2, 3], [2, 1], 'same')],
  pictures: (x) => [
    tf.image.resizeNearestNeighbor(image(x), [8, 12]),
    tf.image.resizeBilinear(image(x), [3, 5], false, true),
    tf.depthToSpace(tf.reshape(x, [B(x), 2, 3, 4]), 2, 'NHWC'),
  ],
  'batch norm': (x) =>
    tf.batchNorm(
      image(x),
      tf.tensor1d([0.2]),
      tf.tensor1d([2]),
      tf.tensor1d([1]),
      bias.slice(0, 1),
    ),
};

/** Where tfjs has no such kernel. */
const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  wasm: ['values by themselves', 'einsum'],
  tensorflow: ['a convolution with its own padding'],
};

/** Nodes are written alike on every backend; a block of a DiT runs there, by hand and of layers. */
const COMPILES = { webgpu: 'compiling the programs of all ops takes too long' };

describeOnBackends(
  'What tfjs computes, in a graph',
  (backend) => {
    for (const [what, op] of Object.entries(OPS)) {
      if (LEFT_OUT[backend]?.includes(what)) continue;
      it(`${what}, with the batch free`, () => {
        const before = tf.memory().numTensors;
        const example = input(2);
        const model = toGraphModel((x: tf.Tensor) => op(x as tf.Tensor3D), example, {
          batch: 'free',
        });
        for (const samples of [1, 2, 5]) {
          tf.tidy(() => {
            const x = input(samples);
            const made = [model.execute({ input: x })].flat();
            const wanted = [op(x)].flat();
            expect(made.length).to.equal(wanted.length);
            for (const [i, y] of wanted.entries()) {
              expect(made[i]!.shape, `output ${i}`).to.deep.equal(y.shape);
              expect(made[i]!.dtype, `output ${i}`).to.equal(y.dtype);
              close(made[i]!, y, `output ${i} of ${samples}`);
            }
          });
        }
        model.dispose();
        example.dispose();
        expect(tf.memory().numTensors).to.equal(before);
      });
    }
  },
  COMPILES,
);

function input(samples: number): tf.Tensor3D {
  const values = Float32Array.from({ length: samples * 24 }, (_, i) => Math.sin(1 + 2.3 * i));
  return tf.tensor3d(values, [samples, 4, 6]);
}

function close(got: tf.Tensor, wanted: tf.Tensor, what: string): void {
  const [a, b] = [got.dataSync(), wanted.dataSync()];
  for (const [i, value] of b.entries()) {
    if (Number.isNaN(value)) expect(a[i], what).to.be.NaN;
    else expect(a[i], what).to.be.closeTo(value, 1e-5 * Math.max(1, Math.abs(value)));
  }
}
