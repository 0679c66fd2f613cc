import { describe, InvalidArgumentError } from '../numerics/errors.js';

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

/** @throws The signal's reason, where it was aborted. */
export function throwIfAborted(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw signal.reason;
}
