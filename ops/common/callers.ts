import { AbortedError, describe, HadaNormError, InvalidArgumentError } from '../numerics/errors.js';

/** @throws InvalidArgumentError unless `value` is a function, or absent. */
export function checkCallback(op: string, argument: string, value: unknown): void {
  if (value === undefined || value === null || typeof value === 'function') return;
  throw new InvalidArgumentError(op, argument, 'a function', describe(value));
}

/** @throws InvalidArgumentError unless `value` is an AbortSignal, or absent. */
export function checkSignal(op: string, value: unknown): void {
  if (value === undefined || value === null) return;
  // by what is read of it: a polyfill's, or another realm's, is of another class
  if (typeof value === 'object' && 'aborted' in value && typeof value.aborted === 'boolean') return;
  const wayOut = 'Take controller.signal of an AbortController.';
  throw new InvalidArgumentError(op, 'signal', 'an AbortSignal', describe(value), wayOut);
}

/** @throws AbortedError where the signal was aborted, with its reason. */
export function throwIfAborted(op: string, signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw new AbortedError(op, signal.reason);
}

/**
 * Runs a step of a function's work: what the step throws in its own name comes in that of the
 * function, and says of what.
 */
export function inNameOf<T>(op: string, of: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof HadaNormError) || error.name !== 'HadaNormError' || error.op === op) {
      throw error;
    }
    const words = error.message.slice(error.op.length + 2);
    throw Object.assign(new HadaNormError(op, `${of}: ${words}`), { cause: error });
  }
}
