import * as tf from '@tensorflow/tfjs';
import {
  type HadaNormQuantizeOptions,
  hadamardTransform,
  hadaNormQuantize,
} from '../../src/index.js';
import { normal } from '../harness/numbers/random.js';
import { hadamardMatrix } from './hadamardMatrix.js';
import type { BenchCase, BenchSuite, Contest } from './harness.js';
import { LinearSubject, type Precision } from './linearSubject.js';
import { burstFor, gpuContender, setWebglBackend } from './webglBackend.js';

/** Tokens × width of real layers: DiT-S, DiT-XL and its MLP. */
const SHAPES = [
  [256, 384],
  [256, 1152],
  [1024, 1024],
  [256, 4608],
] as const;

/** The linears of DiT-XL/2. */
const LINEARS = [
  [1152, 1152],
  [1152, 3456],
  [1152, 4608],
  [4608, 1152],
] as const;
const TOKENS = 256;

const QUANTIZERS: Readonly<Record<string, HadaNormQuantizeOptions>> = {
  'HadaNorm, 8 bits': {},
  'HadaNorm, 4 bits in groups': { bits: 4, groupSize: 64 },
  'centered, 8 bits, not rotated': { blockSize: 0 },
};

/**
 * What the project asks: the transform five times faster, the quantizer within three times an
 * elementwise op.
 */
const HADAMARD_BARS = { 'tf.matMul by H': 5 } as const;
const QUANTIZE_BARS = { 'tf.abs': 1 / 3 } as const;
const LINEAR_BARS = { 'tfjs fp32': 1 } as const;

/** The WebGL kernels against tfjs's own on the same adapter. Tensors stay on the GPU. */
export const webglSuites: readonly BenchSuite[] = [
  suiteOf('webgl-hadamard', SHAPES, 'hadamardTransform', hadamardContest),
  suiteOf('webgl-quantize', SHAPES, 'hadaNormQuantize', quantizeContest),
  suiteOf('webgl-linears', LINEARS, `${TOKENS} tokens`, linearContest),
];

function suiteOf(
  name: string,
  shapes: readonly (readonly [number, number])[],
  title: string,
  contest: (a: number, b: number) => Promise<Contest>,
): BenchSuite {
  const prepare = async () => {
    await setWebglBackend();
    const cases = shapes.map(
      ([a, b]): BenchCase => ({ name: `${title} ${a}×${b}`, prepare: () => contest(a, b) }),
    );
    return { cases, dispose: () => undefined };
  };
  return { name, prepare };
}

async function hadamardContest(tokens: number, d: number): Promise<Contest> {
  const x = tf.tensor2d(normal(tokens * d, d), [tokens, d]);
  const matrix = hadamardMatrix(d);
  const [own, product] = [() => hadamardTransform(x), () => tf.matMul(x, matrix)];
  const burst = await burstFor([own, product]);
  return {
    ours: [await gpuContender('hadamardTransform', own, burst, HADAMARD_BARS)],
    peers: [await gpuContender('tf.matMul by H', product, burst)],
    dispose: () => tf.dispose([x, matrix]),
  };
}

async function quantizeContest(tokens: number, d: number): Promise<Contest> {
  const x = tf.tensor2d(normal(tokens * d, d), [tokens, d]);
  const scale = tf.tensor1d(normal(d, 5, 0, 0.3).map(Math.exp));
  const ways = Object.entries(QUANTIZERS).map(([name, options]) => ({
    name,
    compute: () => hadaNormQuantize(x, { scale, ...options }).quantized.codes,
  }));
  const elementwise = () => tf.abs(x);
  const burst = await burstFor([...ways.map(({ compute }) => compute), elementwise]);
  return {
    ours: await Promise.all(
      ways.map(({ name, compute }) => gpuContender(name, compute, burst, QUANTIZE_BARS)),
    ),
    peers: [await gpuContender('tf.abs', elementwise, burst)],
    dispose: () => tf.dispose([x, scale]),
  };
}

async function linearContest(d: number, n: number): Promise<Contest> {
  const subject = new LinearSubject(d, n);
  const x = tf.tensor2d(subject.activations(TOKENS), [TOKENS, d]);
  const float = () => subject.float(x);
  const ways = (['W8A8', 'W4A8', 'W4A4'] as const satisfies Precision[]).map((precision) => ({
    precision,
    product: subject.quantized(x, precision),
  }));
  const computes = ways.flatMap(({ precision, product }) => [
    { name: `${precision}, product alone`, compute: product.multiply },
    { name: `${precision}, with HadaNorm`, compute: () => subject.hadanorm(x, precision) },
  ]);
  const burst = await burstFor([...computes.map(({ compute }) => compute), float]);
  return {
    ours: await Promise.all(
      computes.map(({ name, compute }) => gpuContender(name, compute, burst, LINEAR_BARS)),
    ),
    peers: [await gpuContender('tfjs fp32', float, burst)],
    dispose: () => {
      for (const { product } of ways) product.dispose();
      x.dispose();
      subject.dispose();
    },
  };
}
