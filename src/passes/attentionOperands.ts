import { type Dim, quotient } from '../../ops/numerics/lengths.js';
import { type GraphNode, nodeOf } from '../graph/ir.js';
import { IDENTITY } from '../graph/opSets.js';
import { openShape } from '../shapes/dims.js';
import type { ShapedView } from '../shapes/view.js';
import type { Atom } from './atoms.js';
import type { AttentionMatch } from './attentionMatch.js';
import { layoutOf, type OperandLayout, operandLayouts } from './layouts.js';
import { regroup } from './regroup.js';
import { type TensorView, viewFrom } from './views.js';

/**
 * Where the op's result goes: the node whose place it takes, and the layout that this one's readers
 * expect.
 */
export interface End {
  readonly at: string;
  readonly layout: string;
  readonly inside: readonly string[];
  /** Where that layout has fewer axes than the node: the node's shape. */
  readonly shape: readonly number[] | null;
}

/** How an attention's operands are read, and where its result goes. */
export interface AttentionOperands {
  readonly q: OperandLayout;
  readonly k: OperandLayout;
  readonly v: OperandLayout;
  readonly end: End;
}

/** The best way to read an attention's operands; null where the op has no layout for them. */
export function operandsFor(view: ShapedView, match: AttentionMatch): AttentionOperands | null {
  return withHeads(view, match) ?? chooseOperands(view, match, (laid) => isWhole(match, laid));
}

/** Whether samples and heads are told apart as in the products. */
function isWhole({ q, k, v }: AttentionMatch, { sizes }: OperandLayout): boolean {
  const apart = [q, k, v].some(({ labels }) => labels.includes('h'));
  return apart || !sizes.has('h');
}

/**
 * Samples and heads on one axis, where something tells how many heads there are: they are told
 * apart everywhere.
 */
function withHeads(view: ShapedView, match: AttentionMatch): AttentionOperands | null {
  if ([match.q, match.k, match.v].some(({ labels }) => labels.includes('h'))) return null;
  const found = operandsOf(view, match).flatMap(({ laid }) =>
    laid.flatMap(({ sizes }) => sizes.get('h') ?? []),
  );
  const [heads] = found;
  if (heads === undefined) return null;
  return chooseOperands(view, match, (laid) => laid.sizes.get('h') === heads, heads);
}

function operandsOf(view: ShapedView, { q, k, v }: AttentionMatch) {
  return [q, k, v].map(({ ref, labels }) => operandLayouts(view, ref, labels));
}

/**
 * For each operand the way to read it that skips most nodes, among those that fit; where `heads` is
 * given and no way has them, they are cut off the samples.
 */
function chooseOperands(
  view: ShapedView,
  match: AttentionMatch,
  fits: (laid: OperandLayout) => boolean,
  heads?: Dim,
): AttentionOperands | null {
  const laid = operandsOf(view, match).map(({ views, laid: ways }, i) => {
    // a factor of the values cannot be taken along
    const usable = ways.filter(({ factor }) => i < 2 || factor === 1);
    const single = (way: OperandLayout) => !way.sizes.has('b') && !way.sizes.has('h');
    const way = best(usable.filter((each) => fits(each) || single(each)));
    return way ?? (heads === undefined ? undefined : cutHeads(view, views[0]!, heads));
  });
  const [q, k, v] = laid;
  const start = viewFrom(view, match.mix, match.out);
  const axes = start === null || heads === undefined ? start?.axes : apart(start.axes, heads);
  const end = axes == null ? null : endOf(view, match.mix, axes);
  if (q == null || k == null || v == null || end === null) return null;
  // samples and heads of which there is one need no axis
  const several = (['b', 'h'] as const).filter((name) =>
    [q, k, v].some(({ sizes }) => (sizes.get(name) ?? 1) !== 1),
  );
  return several.every((name) => end.layout.includes(name)) ? { q, k, v, end } : null;
}

/**
 * The one that skips most nodes that copy; among these one that is there already, else the nearest:
 * linears keep their names.
 */
function best(ways: readonly OperandLayout[]): OperandLayout | undefined {
  const max = Math.max(...ways.map(({ skipped }) => skipped));
  const equal = ways.filter(({ skipped }) => skipped === max);
  return equal.find(({ shape }) => shape === null) ?? equal[0];
}

function cutHeads(view: ShapedView, tensor: TensorView, heads: Dim): OperandLayout | null {
  const axes = apart(tensor.axes, heads);
  return axes === null ? null : layoutOf(view, { ...tensor, axes });
}

/** Samples times heads → samples, heads. */
function apart(axes: TensorView['axes'], heads: Dim): Atom[][] | null {
  const out: Atom[][] = [];
  for (const atoms of axes) {
    const cut = atoms.map((atom): Atom[] | null => {
      if (atom.label !== 'b') return [atom];
      const samples = quotient(atom.size, heads);
      return samples === null
        ? null
        : [
            { ...atom, size: samples },
            { ...atom, label: 'h', size: heads },
          ];
    });
    if (cut.includes(null)) return null;
    out.push(cut.flatMap((each) => each!));
  }
  return out;
}

/** The last node behind the product that only puts its axes into another order, one axis each. */
function endOf(view: ShapedView, mix: string, start: TensorView['axes']): End | null {
  let axes: TensorView['axes'] | null = start;
  let name = mix;
  let end: End | null = null;
  const path: string[] = [];
  while (axes !== null) {
    const layout = axes.map((atoms) => (atoms.length === 1 ? atoms[0]!.label : '?')).join('');
    if (/^(?=.*t)[bht]*c$/.test(layout) && new Set(layout).size === layout.length) {
      end = { at: name, layout, inside: [...path], shape: null };
    }
    const reader = view.onlyValueReader(name);
    if (reader === null || nodeOf(reader.inputs[0]!) !== name) break;
    axes = behind(view, axes, reader);
    path.push(name);
    name = reader.name;
  }
  return end ?? joinedEnd(view, mix, start);
}

/** The product itself, where neighbouring axes are samples alike. */
function joinedEnd(view: ShapedView, mix: string, start: TensorView['axes']): End | null {
  const layout = layoutOf(view, { ref: mix, axes: start, factor: 1, skipped: 0 })?.layout;
  const shape = openShape(view.dimsOf(mix)!);
  return layout === undefined || shape === null ? null : { at: mix, layout, inside: [], shape };
}

/** What the axes are behind a node that only rearranges; null for another one. */
function behind(
  view: ShapedView,
  axes: TensorView['axes'],
  node: GraphNode,
): TensorView['axes'] | null {
  if (IDENTITY.has(node.op)) return axes;
  if (node.op === 'Transpose') {
    const order = view.permutation(node.inputs[1], axes.length);
    return order === null ? null : order.map((axis) => axes[axis]!);
  }
  if (!['Reshape', 'ExpandDims', 'Squeeze'].includes(node.op)) return null;
  const dims = view.dimsOf(node.name);
  return dims === null ? null : regroup(axes.flat(), dims);
}
