import { findHadamardPlan } from '../../ops/numerics/hadamard.js';
import { METHODS, type Parts } from './methods.js';
import type { LinearSettings } from './settings.js';

/**
 * Whether a rotation is asked for by name: by `rotate: true`, method 'hadamard' or a blockSize.
 * Only then is a width that has none an error; elsewhere the rotation is left out.
 */
export function rotationNamed({
  method,
  parts,
  blockSize,
}: Pick<LinearSettings, 'method' | 'parts' | 'blockSize'>): boolean {
  if (typeof parts.rotate === 'boolean') return parts.rotate;
  if (method === 'hadamard' && parts.rotate === undefined) return true;
  // some of what 'auto' tries rotates
  const rotates = method === 'auto' || rotationOf(method, parts) !== false;
  return blockSize !== null && rotates;
}

/** What a method with some parts replaced says of its rotation. */
export function rotationOf(
  method: keyof typeof METHODS,
  replaced: Partial<Parts>,
): Parts['rotate'] {
  return replaced.rotate ?? METHODS[method].rotate;
}

/** Why d channels cannot be rotated in blocks (null: all in one); null where they can. */
export function whyNotRotated(d: number, blockSize: number | null): string | null {
  const block = blockSize ?? d;
  if (d % block !== 0) return `blockSize ${block} does not divide ${d}`;
  return findHadamardPlan(block) === null ? `no Hadamard matrix of size ${block}` : null;
}
