import type { Dim } from '../../ops/numerics/lengths.js';
import { type Parts, takeAxis } from '../recognize/axes/takeAxis.js';
import type { Atom } from './atoms.js';

/**
 * The same values under other axes: atoms in row-major order, shared out over axes of the given
 * lengths. An atom that spans several axes is split, and what was samples and heads in one becomes
 * both. Null where it cannot be told.
 */
export function regroup(atoms: readonly Atom[], dims: readonly Dim[]): Atom[][] | null {
  // lengths of 1 hold nothing: samples, heads and parts of which there is one need no axis
  const open = atoms.filter(({ label, size }) => size !== 1 || label === 't' || label === 'c');
  const axes: Atom[][] = [];
  for (const dim of dims) {
    const axis = takeAxis(open, dim, split);
    if (axis === null) return null;
    axes.push(axis);
  }
  // tokens or channels of which there is one may be left over
  if (axes.length > 0) axes.at(-1)!.push(...open.splice(0).filter(({ size }) => size === 1));
  return open.length === 0 ? axes : null;
}

function split(atom: Atom, outer: Dim, inner: Dim, others: readonly Atom[]): Parts<Atom> | null {
  if (atom.label === 'part') return null;
  return {
    outer: { ...atom, size: outer },
    inner: { ...atom, label: innerLabel(atom.label, others), size: inner },
  };
}

/** Samples and heads on one axis: the outer are the samples. */
function innerLabel(label: Atom['label'], others: readonly Atom[]): Atom['label'] {
  return label === 'b' && !others.some((atom) => atom.label === 'h') ? 'h' : label;
}
