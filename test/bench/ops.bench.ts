import * as tf from '@tensorflow/tfjs';
import { fakeQuantComposite } from '../../ops/fakeQuant/composite.js';
import { channelCenter, fakeQuant, hadamardTransform } from '../../src/index.js';
import { backends } from '../harness/backends/backends.js';
import { activationFormat } from '../harness/numbers/formats.js';
import { normal } from '../harness/numbers/random.js';
import { hadamardMatrix } from './hadamardMatrix.js';
import type { BenchCase, BenchSuite, Contender } from './harness.js';

/**
 * Tokens × width of real layers: DiT-S (384), DiT-XL and PixArt (1152) with their MLPs (1536,
 * 4608).
 */
const SHAPES = [
  [16, 384],
  [64, 384],
  [256, 1152],
  [256, 1536],
  [256, 4608],
] as const;

/**
 * One suite per backend of this process: our kernels against what tfjs offers on the same backend.
 */
export const opSuites: readonly BenchSuite[] = backends.map(({ name, missing }) => ({
  name,
  missing,
  prepare: async () => {
    await tf.setBackend(name);
    await tf.ready();
    const inputs = SHAPES.map(([tokens, d]) => tf.tensor2d(normal(tokens * d, d), [tokens, d]));
    const matrices = new Map<number, tf.Tensor2D>();
    const matrixOf = (d: number) => {
      // kept: the first call is inside a contender's tidy
      const matrix = matrices.get(d) ?? tf.keep(hadamardMatrix(d));
      matrices.set(d, matrix);
      return matrix;
    };
    const cases = inputs.flatMap((x) => [
      hadamardCase(x, matrixOf),
      centerCase(x),
      ...fakeQuantCases(x),
    ]);
    return { cases, dispose: () => tf.dispose([inputs, ...matrices.values()]) };
  },
}));

function hadamardCase(x: tf.Tensor2D, matrixOf: (d: number) => tf.Tensor2D): BenchCase {
  return {
    name: `hadamardTransform ${x.shape.join('×')}`,
    prepare: () => ({
      ours: [sync('hadamardTransform', () => hadamardTransform(x))],
      peers: [sync('tf.matMul by H', () => tf.matMul(x, matrixOf(x.shape[1])))],
    }),
  };
}

function centerCase(x: tf.Tensor2D): BenchCase {
  return {
    name: `channelCenter ${x.shape.join('×')}`,
    prepare: () => ({
      ours: [sync('channelCenter', () => channelCenter(x).centered)],
      peers: [sync('tf.sub(x, tf.mean)', () => tf.sub(x, tf.mean(x, 0, true)))],
    }),
  };
}

function fakeQuantCases(x: tf.Tensor2D): BenchCase[] {
  const variants = [
    { bits: 8, symmetric: false, granularity: { kind: 'perToken' } },
    { bits: 4, symmetric: true, granularity: { kind: 'perGroup', axis: 1, groupSize: 64 } },
  ] as const;
  return variants.map((options) => {
    const { bits, symmetric, granularity } = options;
    const attrs = { format: activationFormat(bits, symmetric, granularity), range: null };
    return {
      name: `fakeQuant ${x.shape.join('×')} ${bits} bits ${granularity.kind}`,
      prepare: () => ({
        ours: [sync('fakeQuant', () => fakeQuant(x, options))],
        peers: [sync('the same in tfjs ops', () => fakeQuantComposite({ x }, attrs))],
      }),
    };
  });
}

function sync(name: string, compute: () => tf.Tensor): Contender {
  // reading the result waits for the result on backends that run ahead
  const run = () => tf.tidy(() => void compute().dataSync());
  return { name, run };
}
