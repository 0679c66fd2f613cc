import { getBackend } from '@tensorflow/tfjs-core';
import { InvalidArgumentError, WasmMemoryError } from '../numerics/errors.js';
import { checkInteger } from './checks.js';

/** Elements of a tensor at most, and so any length: kernels and shaders count in int32. */
export const MOST_ELEMENTS = 2 ** 31 - 1;

/**
 * Bytes of a block of WASM memory at most. Beyond 2 GiB tfjs's malloc gives 0, near 4 GiB an
 * address behind which there is no memory, and it takes a size of 2^32 and more for what is left of
 * it in 32 bits.
 */
export const MOST_WASM_BYTES = 2 ** 31 - 2 ** 16;

/** @throws InvalidArgumentError unless `value` is a length that a tensor may have. */
export function checkLength(
  op: string,
  argument: string,
  value: unknown,
  min = 1,
): asserts value is number {
  checkInteger(op, argument, value, min);
  if (value > MOST_ELEMENTS) checkInteger(op, argument, value, min, MOST_ELEMENTS);
}

/**
 * Checks the size of what an op makes, before anything is made.
 * @param what How an error calls it.
 * @param shape Of float32.
 * @throws InvalidArgumentError for more elements than any backend counts; WasmMemoryError for more
 * than fit into its memory where that is the backend.
 */
export function checkSize(op: string, what: string, shape: readonly number[]): void {
  const size = shape.reduce((product, length) => product * length, 1);
  if (size > MOST_ELEMENTS) {
    const wanted = `of at most ${MOST_ELEMENTS} elements`;
    const wayOut = 'Use smaller batches.';
    throw new InvalidArgumentError(op, what, wanted, `shape [${shape}]`, wayOut);
  }
  const bytes = 4 * size;
  if (bytes > MOST_WASM_BYTES && getBackend() === 'wasm') throw new WasmMemoryError(bytes);
}
