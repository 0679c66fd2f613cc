import { attr } from '../graph/attrs.js';
import { type GraphNode, nodeOf } from '../graph/ir.js';
import { IDENTITY } from '../graph/opSets.js';
import { type Dim, openShape, quotient } from '../shapes/lengths.js';
import type { Atom } from './atoms.js';
import { type AttentionMatch, matchAttention } from './attentionMatch.js';
import {
  emitOperand,
  layoutAttrs,
  layoutOf,
  type OperandLayout,
  operandLayouts,
} from './layouts.js';
import type { FuseContext, Pass, Replacement } from './pass.js';
import { regroup } from './regroup.js';
import { type TensorView, viewFrom } from './views.js';

/**
 * … → MatMul → (Mul, RealDiv, Add, Reshape) → Softmax → MatMul → (Transpose) ⇒
 * ScaledDotProductAttention
 */
export const attentionPass: Pass = {
  name: 'attention',
  find: (context) =>
    [...context.graph.nodes.values()]
      .filter(({ op }) => op === 'Softmax')
      .flatMap((softmax) => replaceAttention(context, softmax) ?? []),
};

function replaceAttention(context: FuseContext, softmax: GraphNode): Replacement | null {
  const match = matchAttention(context, softmax);
  if (match === null) return null;
  const chosen =
    withHeads(context, match) ?? chooseOperands(context, match, (laid) => isWhole(match, laid));
  if (chosen === null) return null;
  const { q, k, v, end } = chosen;
  const { builder } = context;
  const { at } = end;
  const inside = [...match.inside, match.mix, ...end.inside].filter((name) => name !== at);
  if (!context.shapesStay(inside, at)) return null;
  const inputs = [
    emitOperand(context, `${at}/q`, q),
    emitOperand(context, `${at}/k`, k),
    emitOperand(context, `${at}/v`, v),
    ...(match.mask === null ? [] : [match.mask]),
  ];
  const attrs = {
    ...layoutAttrs(q, k, v, end.layout),
    scale: attr.float(match.scale * q.factor * k.factor),
    hasMask: attr.bool(match.mask !== null),
  };
  const name = end.shape === null ? at : null;
  const y = builder.node('ScaledDotProductAttention', `${at}/attention`, inputs, attrs, name);
  if (end.shape !== null) {
    const shape = builder.integers(`${at}/shape`, end.shape);
    builder.node('Reshape', at, [y, shape], {}, at);
  }
  return { at, inside, nodes: builder.take() };
}

/** Whether samples and heads are told apart as in the products. */
function isWhole({ q, k, v }: AttentionMatch, { sizes }: OperandLayout): boolean {
  const apart = [q, k, v].some(({ labels }) => labels.includes('h'));
  return apart || !sizes.has('h');
}

/**
 * Where the op's result goes: the node whose place it takes, and the layout that this one's readers
 * expect.
 */
interface End {
  readonly at: string;
  readonly layout: string;
  readonly inside: readonly string[];
  /** Where that layout has fewer axes than the node: the node's shape. */
  readonly shape: readonly number[] | null;
}

interface Chosen {
  readonly q: OperandLayout;
  readonly k: OperandLayout;
  readonly v: OperandLayout;
  readonly end: End;
}

/**
 * Samples and heads on one axis, where something tells how many heads there are: they are told
 * apart everywhere.
 */
function withHeads(context: FuseContext, match: AttentionMatch): Chosen | null {
  if ([match.q, match.k, match.v].some(({ labels }) => labels.includes('h'))) return null;
  const found = operandsOf(context, match).flatMap(({ laid }) =>
    laid.flatMap(({ sizes }) => sizes.get('h') ?? []),
  );
  const [heads] = found;
  if (heads === undefined) return null;
  return chooseOperands(context, match, (laid) => laid.sizes.get('h') === heads, heads);
}

function operandsOf(context: FuseContext, { q, k, v }: AttentionMatch) {
  return [q, k, v].map(({ ref, labels }) => operandLayouts(context, ref, labels));
}

/**
 * For each operand the way to read it that skips most nodes, among those that fit; where `heads` is
 * given and no way has them, they are cut off the samples.
 */
function chooseOperands(
  context: FuseContext,
  match: AttentionMatch,
  fits: (laid: OperandLayout) => boolean,
  heads?: Dim,
): Chosen | null {
  const laid = operandsOf(context, match).map(({ views, laid: ways }, i) => {
    // a factor of the values cannot be taken along
    const usable = ways.filter(({ factor }) => i < 2 || factor === 1);
    const single = (way: OperandLayout) => !way.sizes.has('b') && !way.sizes.has('h');
    const way = best(usable.filter((each) => fits(each) || single(each)));
    return way ?? (heads === undefined ? undefined : cutHeads(context, views[0]!, heads));
  });
  const [q, k, v] = laid;
  const start = viewFrom(context, match.mix, match.out);
  const axes = start === null || heads === undefined ? start?.axes : apart(start.axes, heads);
  const end = axes == null ? null : endOf(context, match.mix, axes);
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

function cutHeads(context: FuseContext, view: TensorView, heads: Dim): OperandLayout | null {
  const axes = apart(view.axes, heads);
  return axes === null ? null : layoutOf(context, { ...view, axes });
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
function endOf(context: FuseContext, mix: string, start: TensorView['axes']): End | null {
  let axes: TensorView['axes'] | null = start;
  let name = mix;
  let end: End | null = null;
  const path: string[] = [];
  while (axes !== null) {
    const layout = axes.map((atoms) => (atoms.length === 1 ? atoms[0]!.label : '?')).join('');
    if (/^(?=.*t)[bht]*c$/.test(layout) && new Set(layout).size === layout.length) {
      end = { at: name, layout, inside: [...path], shape: null };
    }
    const reader = context.onlyValueReader(name);
    if (reader === null || nodeOf(reader.inputs[0]!) !== name) break;
    axes = behind(context, axes, reader);
    path.push(name);
    name = reader.name;
  }
  return end ?? joinedEnd(context, mix, start);
}

/** The product itself, where neighbouring axes are samples alike. */
function joinedEnd(context: FuseContext, mix: string, start: TensorView['axes']): End | null {
  const layout = layoutOf(context, { ref: mix, axes: start, factor: 1, skipped: 0 })?.layout;
  const shape = openShape(context.dimsOf(mix)!);
  return layout === undefined || shape === null ? null : { at: mix, layout, inside: [], shape };
}

/** What the axes are behind a node that only rearranges; null for another one. */
function behind(
  context: FuseContext,
  axes: TensorView['axes'],
  node: GraphNode,
): TensorView['axes'] | null {
  if (IDENTITY.has(node.op)) return axes;
  if (node.op === 'Transpose') {
    const order = context.integers(node.inputs[1]);
    return order === null ? null : order.map((axis) => axes[axis]!);
  }
  if (!['Reshape', 'ExpandDims', 'Squeeze'].includes(node.op)) return null;
  const dims = context.dimsOf(node.name);
  return dims === null ? null : regroup(axes.flat(), dims);
}
