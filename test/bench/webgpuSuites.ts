import * as tf from '@tensorflow/tfjs';
import { currentBackend } from '../../ops/common/kernel.js';
import type { WebgpuBackend } from '../../ops/webgpu/backend.js';
import { copied } from '../../ops/webgpu/hadamard.js';
import { inScope } from '../../ops/webgpu/kernel.js';
import {
  hadamardTransform,
  hadaNormQuantize,
  scaledDotProductAttention,
  webgpuReady,
} from '../../src/index.js';
import { normal } from '../harness/numbers/random.js';
import type { BenchCase, BenchSuite, Contest } from './harness.js';
import { LinearSubject, type Precision } from './linearSubject.js';
import { burstFor, gpuContender } from './webglBackend.js';
import { chainCases } from './webgpuChains.js';
import { asTfjs } from './webgpuContenders.js';
import { modelCases } from './webgpuModels.js';

/** The linears of DiT-XL/2 and PixArt-Σ, and one of Flux. */
const LINEARS = [
  [1152, 1152],
  [1152, 3456],
  [1152, 4608],
  [4608, 1152],
  [3072, 3072],
] as const;

/** Tokens: two samples of DiT-XL/2 at 256 pixels; one of PixArt-Σ at 1024. */
const ROWS = [512, 4096] as const;

/** Rows × channels of more bytes than a GPU's caches hold. */
const LARGE = [
  [65536, 1152],
  [16384, 4608],
] as const;

/** Tokens of the attentions of DiT-XL/2 at 256 pixels, two samples, and of PixArt-Σ at 1024. */
const ATTENTIONS = [
  [2, 256],
  [1, 4096],
] as const;
const HEADS = 16;
const HEAD_CHANNELS = 72;

/** What the project asks of linears with all that HadaNorm does, by tokens. */
const LINEAR_BARS = { 512: { 'tfjs fp32': 5 }, 4096: { 'tfjs fp32': 3 } } as const;
const ATTENTION_BARS = { 'tfjs fp32': 2 } as const;
const COPY_BARS = { 'a copy': 1 / 1.5 } as const;

/**
 * The WebGPU kernels against tfjs's own on the same adapter, in Node on Dawn. Tensors stay on the
 * GPU.
 */
export const webgpuSuites: readonly BenchSuite[] = [
  {
    name: 'webgpu-linears',
    prepare: () =>
      prepared(LINEARS.flatMap(([d, n]) => ROWS.map((rows) => linearCase(rows, d, n)))),
  },
  { name: 'webgpu-chains', prepare: () => prepared(chainCases) },
  { name: 'webgpu-attention', prepare: () => prepared(ATTENTIONS.map(attentionCase)) },
  { name: 'webgpu-models', prepare: () => prepared(modelCases) },
  { name: 'webgpu-passes', prepare: () => prepared(LARGE.map(([m, d]) => passCase(m, d))) },
];

/** Sets tfjs's backend 'webgpu' up, and waits for the kernels' known answers. */
async function prepared(cases: readonly BenchCase[]) {
  if (!(await tf.setBackend('webgpu'))) throw new Error('There is no WebGPU: nothing to measure.');
  await webgpuReady();
  return { cases, dispose: () => undefined };
}

function linearCase(rows: 512 | 4096, d: number, n: number): BenchCase {
  return { name: `${rows}×${d}→${n}`, prepare: () => linearContest(rows, d, n) };
}

async function linearContest(rows: 512 | 4096, d: number, n: number): Promise<Contest> {
  const subject = new LinearSubject(d, n);
  const x = tf.tensor2d(subject.activations(rows), [rows, d]);
  const float = asTfjs(() => subject.float(x));
  const ways = (['W8A8', 'W4A8'] as const satisfies Precision[]).map((precision) => ({
    precision,
    product: subject.quantized(x, precision),
  }));
  const computes = ways.flatMap(({ precision, product }) => [
    { name: `${precision}, product alone`, compute: product.multiply, bars: undefined },
    {
      name: `${precision}, with HadaNorm`,
      compute: () => subject.hadanorm(x, precision),
      bars: LINEAR_BARS[rows],
    },
  ]);
  const burst = await burstFor([...computes.map(({ compute }) => compute), float]);
  return {
    ours: await Promise.all(
      computes.map(({ name, compute, bars }) => gpuContender(name, compute, burst, bars)),
    ),
    peers: [await gpuContender('tfjs fp32', float, burst)],
    dispose: () => {
      for (const { product } of ways) product.dispose();
      x.dispose();
      subject.dispose();
    },
  };
}

function attentionCase([samples, tokens]: (typeof ATTENTIONS)[number]): BenchCase {
  const prepare = async (): Promise<Contest> => {
    const shape = [samples, HEADS, tokens, HEAD_CHANNELS] as const;
    const size = samples * HEADS * tokens * HEAD_CHANNELS;
    const [q, k, v] = [1, 2, 3].map((seed) => tf.tensor4d(normal(size, seed), [...shape]));
    const ours = () => scaledDotProductAttention(q!, k!, v!);
    const composed = asTfjs(() =>
      tf.tidy(() => {
        const scores = tf.matMul(tf.mul(q!, HEAD_CHANNELS ** -0.5), k!, false, true);
        return tf.matMul(tf.softmax(scores), v!);
      }),
    );
    const burst = await burstFor([ours, composed]);
    return {
      ours: [await gpuContender('scaledDotProductAttention', ours, burst, ATTENTION_BARS)],
      peers: [await gpuContender('tfjs fp32', composed, burst)],
      dispose: () => tf.dispose([q!, k!, v!]),
    };
  };
  return { name: `${samples}×${HEADS}×${tokens}×${HEAD_CHANNELS}`, prepare };
}

function passCase(rows: number, d: number): BenchCase {
  return { name: `${rows}×${d}`, prepare: () => passContest(rows, d) };
}

async function passContest(rows: number, d: number): Promise<Contest> {
  const row = tf.tensor2d(normal(256 * d, d), [256, d]);
  const x = tf.tidy(() => tf.tile(row, [rows / 256, 1]));
  const computes = {
    hadamardTransform: () => hadamardTransform(x),
    'hadaNormQuantize, 8 bits': () => {
      const { quantized, residual } = hadaNormQuantize(x);
      tf.dispose([quantized.zeroPoint, residual!]);
      return quantized.scale;
    },
  };
  const copy = () => copyOnGpu(x);
  const burst = await burstFor([...Object.values(computes), copy]);
  const entries = Object.entries(computes);
  return {
    ours: await Promise.all(
      entries.map(([name, compute]) => gpuContender(name, compute, burst, COPY_BARS)),
    ),
    peers: [await gpuContender('a copy', copy, burst)],
    dispose: () => tf.dispose([row, x]),
  };
}

/** The same bytes in another tensor. */
function copyOnGpu(x: tf.Tensor): tf.Tensor {
  const backend = currentBackend<WebgpuBackend>();
  const info = inScope(backend, 'copy', (webgpu) => copied(webgpu, x, webgpu.make(x.shape)));
  return tf.engine().makeTensorFromTensorInfo(info as tf.TensorInfo);
}
