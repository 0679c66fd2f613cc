import { MOST_WASM_BYTES } from '../../common/sizes.js';
import { WasmMemoryError } from '../../numerics/errors.js';
import type { EmscriptenModule } from './backend.js';

/** @throws WasmMemoryError for a block that malloc would not give, whatever it says. */
export function checkBytes(bytes: number): void {
  if (!(bytes <= MOST_WASM_BYTES)) throw new WasmMemoryError(bytes);
}

/**
 * The address of a new block.
 * @throws WasmMemoryError when there is no memory left for it; nothing was touched then.
 */
export function allocate(heap: EmscriptenModule, bytes: number): number {
  checkBytes(bytes);
  // malloc gives a signed number beyond 2 GiB
  const address = heap._malloc(bytes) >>> 0;
  if (address === 0) throw new WasmMemoryError(bytes);
  return address;
}

const GUARDED = Symbol.for('tfjs-hadanorm.guardedHeap');

/**
 * Makes tfjs's own allocations throw too: it does not look at what malloc gives, and its kernels
 * would write their results to the beginning of the memory, or over other tensors.
 */
export function guardHeap(heap: EmscriptenModule & { [GUARDED]?: boolean }): void {
  if (heap[GUARDED] === true) return;
  // Emscripten's stub puts what it stands for in its place at the first call
  heap._free(heap._malloc(1));
  const malloc = heap._malloc;
  heap._malloc = (bytes) => {
    checkBytes(bytes);
    const address = malloc(bytes);
    if (address === 0 && bytes > 0) throw new WasmMemoryError(bytes);
    return address;
  };
  heap[GUARDED] = true;
}
