import { type Dim, quotient } from '../../../ops/numerics/lengths.js';

/** An atom that spans two axes, as its part in each. */
export interface Parts<Atom> {
  readonly outer: Atom;
  readonly inner: Atom;
}

/**
 * Takes the atoms of one axis of length `dim` from the front of `open`, which are in row-major
 * order. One that goes on in the next axis is split, and what is left of it stays in front. Null
 * where it cannot be told.
 *
 * @param split Given the lengths, and the atoms of this axis so far and those behind; null for an
 * atom that has to stay whole.
 */
export function takeAxis<Atom extends { readonly size: Dim }>(
  open: Atom[],
  dim: Dim,
  split: (atom: Atom, outer: Dim, inner: Dim, others: readonly Atom[]) => Parts<Atom> | null,
): Atom[] | null {
  const axis: Atom[] = [];
  let left = dim;
  while (left !== 1) {
    const atom = open.shift();
    if (atom === undefined) return null;
    const rest = quotient(left, atom.size);
    if (rest !== null) {
      axis.push(atom);
      left = rest;
      continue;
    }
    const inner = quotient(atom.size, left);
    const parts = inner === null ? null : split(atom, left, inner, [...axis, ...open]);
    if (parts === null) return null;
    axis.push(parts.outer);
    open.unshift(parts.inner);
    left = 1;
  }
  return axis;
}
