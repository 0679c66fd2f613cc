import * as tf from '@tensorflow/tfjs';
import type { BenchCase, Contest } from './harness.js';
import { LinearSubject, type Precision } from './linearSubject.js';
import { chainModel } from './onnxChain.js';
import { onnxWebgpu, onnxWebgpuContender, WEBGPU_PEERS } from './onnxWebgpu.js';
import { burstFor, gpuContender } from './webglBackend.js';
import { asTfjs, recorded } from './webgpuContenders.js';

/** Linears of DiT-XL/2 and PixArt-Σ, there and back, and of Flux. */
const SHAPES = [
  [1152, 1152],
  [1152, 3456],
  [1152, 4608],
  [3072, 3072],
] as const;
const ROWS = [512, 4096] as const;
/** Pairs of linears: what it takes to hand x over and to fetch a row is a small part then. */
const PAIRS = 8;

/** What the project asks of linears, all that HadaNorm does included. */
const BARS = {
  512: { 'tfjs fp32': 5, [WEBGPU_PEERS[4]]: 1.2 },
  4096: { 'tfjs fp32': 3, [WEBGPU_PEERS[4]]: 1.2 },
} as const;

/** Linears d → n → d … one after the other, ONNX Runtime's WebGPU provider among the peers. */
export const chainCases: readonly BenchCase[] = SHAPES.flatMap(([d, n]) =>
  ROWS.map((rows) => ({ name: `${rows}×${d}↔${n}`, prepare: () => contest(rows, d, n) })),
);

async function contest(rows: 512 | 4096, d: number, n: number): Promise<Contest> {
  const pair = [new LinearSubject(d, n), new LinearSubject(n, d)] as const;
  const values = pair[0].activations(rows);
  const x = tf.tensor2d(values, [rows, d]);
  const through = (one: (subject: LinearSubject, y: tf.Tensor2D) => tf.Tensor) => () =>
    tf.tidy(() => {
      let y = x;
      for (let i = 0; i < PAIRS; i++)
        for (const subject of pair) y = one(subject, y) as tf.Tensor2D;
      return y;
    });
  const float = through((subject, y) => subject.float(y));
  const ways: { way: string; compute: () => tf.Tensor }[] = [];
  const disposable: { dispose(): unknown }[] = [x, ...pair];
  for (const precision of ['W8A8', 'W4A8'] as const satisfies Precision[]) {
    const compute = through((subject, y) => subject.hadanorm(y, precision));
    const plan = recorded(compute);
    disposable.unshift(plan);
    ways.push({ way: precision, compute });
    ways.push({ way: `${precision}, recorded`, compute: plan.compute });
  }
  const tfjs = asTfjs(float);
  const burst = await burstFor([...ways.map(({ compute }) => compute), tfjs]);
  const ours = ways.map(({ way, compute }) => gpuContender(way, compute, burst, BARS[rows]));
  const peers = [await gpuContender('tfjs fp32', tfjs, burst)];
  const ort = await onnxWebgpu();
  if (typeof ort === 'string') console.error(`SKIPPED ONNX Runtime: ${ort}`);
  else {
    const linears = pair.map(({ linear }) => linear);
    for (const precision of ['float32', 4, 8] as const) {
      const model = chainModel(linears, PAIRS, precision);
      const given = { x: { values, shape: [rows, d] } };
      const name = WEBGPU_PEERS[precision];
      const peer = await onnxWebgpuContender(name, ort, model, given, burst);
      peers.push(peer);
      disposable.unshift(peer);
    }
  }
  return {
    ours: await Promise.all(ours),
    peers,
    dispose: async () => {
      for (const one of disposable) await one.dispose();
    },
  };
}
