import { type Dim, product } from '../../ops/numerics/lengths.js';
import { type Attrs, attr } from '../graph/attrs.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Ref } from '../graph/ir.js';
import { openShape } from '../shapes/dims.js';
import type { ShapedView } from '../shapes/view.js';
import type { Atom } from './atoms.js';
import { type TensorView, viewAbove, viewFrom } from './views.js';

/** A tensor in a layout of ScaledDotProductAttention, reshaped where `shape` is there. */
export interface OperandLayout {
  readonly ref: Ref;
  readonly layout: string;
  /** Lengths by letter. */
  readonly sizes: ReadonlyMap<string, Dim>;
  readonly factor: number;
  readonly skipped: number;
  /**
   * One length at most is no number, or all but the last axis stay as they are and it is cut in
   * `cut`.
   */
  readonly shape: readonly Dim[] | null;
  readonly cut: readonly number[] | null;
}

/**
 * The ways to read an operand, from where the product reads it to as far up as its values are only
 * moved.
 */
export function operandLayouts(
  view: ShapedView,
  ref: Ref,
  labels: readonly Atom['label'][],
): { readonly views: readonly TensorView[]; readonly laid: readonly OperandLayout[] } {
  const views: TensorView[] = [];
  for (
    let tensor = viewFrom(view, ref, labels);
    tensor !== null;
    tensor = viewAbove(view, tensor)
  ) {
    views.push(tensor);
  }
  return { views, laid: views.flatMap((tensor) => layoutOf(view, tensor) ?? []) };
}

/** A tensor as a layout; null where it is none, or takes a shape that cannot be written down. */
export function layoutOf(
  { dimsOf }: ShapedView,
  { ref, axes, ...tensor }: TensorView,
): OperandLayout | null {
  const dims = dimsOf(ref);
  if (dims === null) return null;
  // as it is, where each axis is one thing
  if (axes.every((atoms) => atoms.length === 1)) {
    const direct = named(axes.flat());
    if (direct !== null) return { ...tensor, ...direct, ref, shape: null, cut: null };
  }
  const atoms = joined(axes.flat());
  const laid = named(atoms);
  if (laid === null) return null;
  const shape = atoms.map(({ size }) => size);
  if (openShape(shape) !== null) return { ...tensor, ...laid, ref, shape, cut: null };
  // every leading axis an atom of its own: only the last one is cut
  const leading = dims.length - 1;
  const cut = shape.slice(leading);
  const isKept = `${shape.slice(0, leading)}` === `${dims.slice(0, leading)}`;
  const isKnown = cut.every((size): size is number => typeof size === 'number');
  return isKept && isKnown ? { ...tensor, ...laid, ref, shape, cut } : null;
}

/** One letter for each atom, where that makes a layout. */
function named(atoms: readonly Atom[]): Pick<OperandLayout, 'layout' | 'sizes'> | null {
  const letters = atoms.map(({ label, index }) => (label === 'part' ? `${index}` : label));
  const layout = letters.join('');
  const sizes = new Map(atoms.map(({ label, size }) => [label, size]));
  // a digit for a part: of more than ten there is none
  const isLayout = /^(?=.*t)[bht\d]*c$/.test(layout) && layout.length === letters.length;
  return isLayout && sizes.size === atoms.length ? { layout, sizes } : null;
}

/** Puts the operand into the graph; returns its tensor. */
export function emitOperand(builder: GraphBuilder, name: string, laid: OperandLayout): Ref {
  const { ref, shape, cut } = laid;
  if (shape === null) return ref;
  if (cut !== null) return builder.reshapeLike(name, ref, ref, 1, cut);
  return builder.node('Reshape', name, [ref, builder.integers(`${name}/shape`, openShape(shape)!)]);
}

/** The layouts as attributes. */
export function layoutAttrs(
  q: OperandLayout,
  k: OperandLayout,
  v: OperandLayout,
  output: string,
): Attrs {
  return {
    qLayout: attr.string(q.layout),
    kLayout: attr.string(k.layout),
    vLayout: attr.string(v.layout),
    outputLayout: attr.string(output),
  };
}

/** Neighbours of one label are one atom; those of length 1 hold nothing. */
function joined(atoms: readonly Atom[]): Atom[] {
  const out: Atom[] = [];
  for (const atom of atoms) {
    const last = out.at(-1);
    const isEmpty = atom.size === 1 && atom.label !== 't' && atom.label !== 'c';
    if (isEmpty) continue;
    if (last !== undefined && last.label === atom.label && atom.label !== 'part') {
      out[out.length - 1] = { ...last, size: product([last.size, atom.size]) };
    } else out.push(atom);
  }
  return out;
}
