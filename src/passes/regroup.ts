import { type Dim, quotient } from '../../ops/numerics/lengths.js';
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
    const axis = takeAxis(open, dim);
    if (axis === null) return null;
    axes.push(axis);
  }
  // tokens or channels of which there is one may be left over
  if (axes.length > 0) axes.at(-1)!.push(...open.splice(0).filter(({ size }) => size === 1));
  return open.length === 0 ? axes : null;
}

/** Takes the atoms of one axis from the front. */
function takeAxis(open: Atom[], dim: Dim): Atom[] | null {
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
    // the atom goes on in the next axis
    const inner = quotient(atom.size, left);
    if (inner === null || atom.label === 'part') return null;
    axis.push({ ...atom, size: left });
    open.unshift({ ...atom, label: innerLabel(atom.label, [...axis, ...open]), size: inner });
    left = 1;
  }
  return axis;
}

/** Samples and heads on one axis: the outer are the samples. */
function innerLabel(label: Atom['label'], others: readonly Atom[]): Atom['label'] {
  return label === 'b' && !others.some((atom) => atom.label === 'h') ? 'h' : label;
}
