import * as tf from '@tensorflow/tfjs';
import * as binaries from '../../../ops/wasm/instance/binaries.js';
import { instantiate } from '../../../ops/wasm/instance/instantiate.js';
import type { RelaxedDot } from '../../../ops/wasm/instance/relaxedDot.js';
import { RELAXED_SIMD_FLAG, type WasmModule } from '../../../ops/wasm/module.js';

const PAGE_BYTES = 65_536;

/** WASM kernels and the part of their memory that a check watches. */
export type Watched = Pick<WasmModule, 'memory' | 'exports' | 'relaxed'> & {
  readonly begin: number;
  readonly end: number;
};

/** How relaxed SIMD multiplies in this engine; null where there is none. */
export function relaxedHere(): RelaxedDot | null {
  return ownMemory(PAGE_BYTES).relaxed;
}

/** A part of the memory that the kernels share with tfjs. */
export function partOf(module: WasmModule, bytes: number): Watched {
  const begin = module.scratch(bytes);
  const { memory, exports, relaxed } = module;
  return { memory, exports, relaxed, begin, end: begin + bytes };
}

const own = new Map<string, Watched>();

/**
 * Kernels on a memory of their own, of `bytes` or a little more. What they read behind its end
 * traps.
 */
export function ownMemory(bytes: number): Watched {
  const wanted = tf.env().getBool(RELAXED_SIMD_FLAG);
  const pages = Math.ceil(bytes / PAGE_BYTES);
  const key = `${wanted} ${pages}`;
  const known = own.get(key);
  if (known !== undefined) return known;
  const memory = new WebAssembly.Memory({ initial: pages });
  // for the known answers of relaxed SIMD only
  const heap = { asm: { memory }, _malloc: () => PAGE_BYTES / 2, _free: () => undefined };
  const { exports, relaxed } = instantiate(heap, memory, false, binaries, wanted)!;
  const watched = { memory, exports, relaxed, begin: 64, end: memory.buffer.byteLength };
  own.set(key, watched);
  return watched;
}
