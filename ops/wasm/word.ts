import { InvalidArgumentError } from '../numerics/errors.js';

/** Whether a number is what a kernel reads of it: 32 bits, with a sign or without. */
export function isWord(value: number): boolean {
  return (value | 0) === value || value >>> 0 === value;
}

/**
 * The number itself.
 * @throws InvalidArgumentError for one that would lose bits: kernels would take it for another.
 */
export function word(what: string, value: number): number {
  if (isWord(value)) return value;
  const wayOut = 'Use smaller tensors.';
  throw new InvalidArgumentError('wasm', what, 'an integer of 32 bits', `${value}`, wayOut);
}
