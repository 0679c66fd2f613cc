import * as tf from '@tensorflow/tfjs';
import type { WasmBackend } from '../../../ops/wasm/instance/backend.js';
import { type WasmModule, wasmModule } from '../../../ops/wasm/module.js';
import type { WorkerPool } from '../../../ops/wasm/threads/pool.js';
import {
  channelCenter,
  fakeQuant,
  hadamardTransform,
  hadaNormQuantize,
  modulatedLayerNorm,
  quantizedMatMul,
  scaledDotProductAttention,
} from '../../../src/index.js';
import { normal } from '../numbers/random.js';

/** What is not public of a pool. */
interface PoolInside {
  readonly words: Int32Array;
  readonly workers: readonly { terminate(): void }[];
}

/** Large enough that every kernel's work is cut. */
const SHAPE: [number, number] = [131, 480];
const VALUES = normal(131 * 480, 1);

/** Results of kernels in every way that they cut their work. */
export function results(): Float32Array[] {
  return tf.tidy(() => {
    const x = tf.tensor2d(VALUES, SHAPE);
    const { centered, mean } = channelCenter(x);
    // 3 heads: threads share one
    const heads = tf.reshape(x, [131, 3, 160]);
    const layouts = { q: 'thc', k: 'thc', v: 'thc' };
    return [
      modulatedLayerNorm(x, { factor: tf.slice(x, [0, 0], [1, 480]) }),
      scaledDotProductAttention(heads, heads, heads, { layouts }),
      hadamardTransform(x),
      hadamardTransform(x, { blockSize: 40 }),
      centered,
      mean,
      fakeQuant(x),
      fakeQuant(x, { granularity: { kind: 'perTensor' } }),
      fakeQuant(x, { granularity: { kind: 'perChannel' } }),
      ...beside(x),
    ].map((y) => y.dataSync<'float32'>().slice());
  });
}

/** What goes along directions of x [131, 480], and a product beside them. */
function beside(x: tf.Tensor2D): tf.Tensor[] {
  const directions = tf.reshape(tf.slice(x, [0, 0], [33, 480]), [480, 33]);
  const { quantized, residual, along } = hadaNormQuantize(x, { directions, subtract: true });
  const codes = tf.tensor1d(
    Uint8Array.from({ length: 480 * 64 }, (_, i) => i * 37),
    'bool',
  );
  const weights = { codes, scale: tf.ones([8, 64]), bits: 8, groupSize: 60 };
  const rows = { residual: residual!, along: along!, directionWeights: tf.slice(x, 0, [33, 64]) };
  const y = quantizedMatMul(quantized, { ...weights, shape: [480, 64] }, rows);
  return [along!, residual!, tf.cast(quantized.codes, 'float32'), y];
}

/** How many elements of the results differ, to the bit. */
export function differences(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  let different = 0;
  a.forEach((y, i) => {
    for (let at = 0; at < y.length; at++) if (y[at] !== b[i]![at]) different++;
  });
  return different;
}

/** The kernels on the current backend. */
export function current(): WasmModule {
  return wasmModule(tf.backend() as unknown as WasmBackend)!;
}

/** Their workers. */
export function pool(): WorkerPool {
  return (current() as unknown as { pool: WorkerPool }).pool;
}

/** The same, with what is not public. */
export function inside(): PoolInside {
  return pool() as unknown as PoolInside;
}

/** The size of the memory. */
export function memoryBytes(): number {
  return current().memory.buffer.byteLength;
}
