import type { Dim } from '../../../ops/numerics/lengths.js';
import { type Parts, takeAxis } from './takeAxis.js';

/**
 * What an axis, or a factor of one, runs over: samples, tokens, heads. Two that were found to be
 * the same are united.
 */
export interface Atom {
  readonly id: number;
  readonly size: Dim;
}

/** An axis as a product of atoms, in row-major order; of length 1 it has none. */
export type Axis = readonly Atom[];

/** The atoms of a graph, and which of them are the same. */
export class Atoms {
  private readonly parents: number[] = [];
  private readonly splits: (Parts<Atom> & { readonly whole: Atom })[] = [];

  /** An axis of which nothing is known. */
  fresh(size: Dim): Axis {
    return size === 1 ? [] : [this.made(size)];
  }

  /** The number of what an atom is one with. */
  root({ id }: Atom): number {
    let at = id;
    while (this.parents[at] !== at) at = this.parents[at]!;
    this.parents[id] = at;
    return at;
  }

  same(a: Atom, b: Atom): boolean {
    return this.root(a) === this.root(b);
  }

  /** What stands side by side in one place is the same, unless the lengths say otherwise. */
  unite(a: Axis, b: Axis): void {
    const differ = (one: Atom, other: Atom | undefined) =>
      other === undefined ||
      (typeof one.size === 'number' && typeof other.size === 'number' && one.size !== other.size);
    if (a.length !== b.length || a.some((atom, i) => differ(atom, b[i]))) return;
    a.forEach((atom, i) => {
      this.parents[this.root(b[i]!)] = this.root(atom);
    });
  }

  /**
   * The same values under axes of other lengths. What cannot be told, from the first such axis on,
   * is fresh.
   */
  regrouped(atoms: Axis, dims: readonly Dim[]): Axis[] {
    const open = [...atoms];
    const axes: Axis[] = [];
    for (const dim of dims) {
      const axis = takeAxis(open, dim, (atom, outer, inner) => this.split(atom, outer, inner));
      if (axis === null) break;
      axes.push(this.joined(axis));
    }
    const whole = axes.length === dims.length && open.length === 0;
    // an atom left over says that the last lengths were not what they seemed
    const sure = whole ? axes : axes.slice(0, Math.min(axes.length, dims.length - 1));
    return [...sure, ...dims.slice(sure.length).map((dim) => this.fresh(dim))];
  }

  private split(whole: Atom, outer: Dim, inner: Dim): Parts<Atom> {
    const known = this.splits.find(
      (split) => this.same(split.whole, whole) && split.inner.size === inner,
    );
    if (known !== undefined) return known;
    const made = { whole, outer: this.made(outer), inner: this.made(inner) };
    this.splits.push(made);
    return made;
  }

  /** What was taken apart and stands together again is whole. */
  private joined(axis: readonly Atom[]): Atom[] {
    const out: Atom[] = [];
    for (const atom of axis) {
      const last = out.at(-1);
      const split = this.splits.find(
        ({ outer, inner }) =>
          last !== undefined && this.same(outer, last) && this.same(inner, atom),
      );
      if (split === undefined) out.push(atom);
      else out.splice(-1, 1, split.whole);
    }
    return out;
  }

  private made(size: Dim): Atom {
    const id = this.parents.length;
    this.parents.push(id);
    return { id, size };
  }
}
