import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import '../../src/index.js';
import type { WasmBackend } from '../../ops/wasm/instance/backend.js';
import { RELAXED_SIMD_FLAG, type WasmModule, wasmModule } from '../../ops/wasm/module.js';
import { sqnr } from '../../src/math/decibels.js';
import type { Contender } from './harness.js';

/** The peers' names, as bars and tables have them. */
export const PEERS = {
  tfjs: 'tfjs fp32',
  onnxFloat: 'ORT fp32',
  onnxInt8: 'ORT dynamic int8',
} as const;

/** The kernels' variants, and the name of each. */
export const VARIANTS = { relaxed: 'relaxed SIMD', baseline: 'SIMD128' } as const;

export type Variant = keyof typeof VARIANTS;

/**
 * What the project asks of the variants: of a linear, and of a whole model (of either). The least
 * ratio to each peer.
 */
export const BARS = {
  linear: {
    relaxed: { [PEERS.tfjs]: 4, [PEERS.onnxInt8]: 1.3 },
    baseline: { [PEERS.onnxInt8]: 1 },
  },
  model: { [PEERS.tfjs]: 3, [PEERS.onnxFloat]: 1, [PEERS.onnxInt8]: 1 },
} as const satisfies {
  linear: Readonly<Record<Variant, Readonly<Record<string, number>>>>;
  model: Readonly<Record<string, number>>;
};

let told = false;

/**
 * tfjs's backend 'wasm' in its build for one thread. Says once that rows are missing where relaxed
 * SIMD is.
 */
export async function setWasmBackend(): Promise<void> {
  // in an isolated page tfjs would take its threaded build
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  await tf.setBackend('wasm');
  if (told || currentModule().relaxed) return;
  told = true;
  console.warn('This engine has no relaxed SIMD, only SIMD128. Node 22 and later have it.');
}

/** The kernels on the current backend, which is 'wasm'. */
export function currentModule(): WasmModule {
  const module = wasmModule(tf.backend() as unknown as WasmBackend);
  if (module === null)
    throw new Error('This engine has no WebAssembly SIMD: there is nothing to measure.');
  return module;
}

/** The variants that this engine runs. */
export function availableVariants(): Variant[] {
  return currentModule().relaxed ? ['relaxed', 'baseline'] : ['baseline'];
}

/** What `run` computes, by the given variant of the kernels. */
export function withVariant(variant: Variant, contender: Contender): Contender {
  const name = `${contender.name}, ${VARIANTS[variant]}`;
  const setUp = () => tf.env().set(RELAXED_SIMD_FLAG, variant === 'relaxed');
  return { ...contender, name, setUp };
}

/** Back to the best variant. */
export function resetVariant(): void {
  tf.env().set(RELAXED_SIMD_FLAG, true);
}

/**
 * The values of a tensor that is made for them. Not by what tidy returns: tfjs would look for
 * tensors among the values.
 */
export function readValues(compute: () => tf.Tensor): Float32Array {
  const tensor = tf.tidy(compute);
  const values = tensor.dataSync<'float32'>();
  tensor.dispose();
  return values;
}

/** @throws Error unless `got` is as near to `want` as it must be to count as the same result. */
export function checkSame(
  name: string,
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  leastDb: number,
): void {
  const db = got.length === want.length ? sqnr(want, got) : Number.NaN;
  if (db >= leastDb) return;
  throw new Error(`${name} gives another result: ${db.toFixed(1)} dB, not ${leastDb} and more.`);
}
