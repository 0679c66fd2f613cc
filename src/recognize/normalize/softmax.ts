import { canonical, type GraphNode, type Ref } from '../../graph/ir.js';
import { IDENTITY } from '../../graph/opSets.js';
import type { ShapedView } from '../../shapes/view.js';
import type { Match, Pass } from './engine.js';

/** A softmax over the last axis, spelled out. */
interface SpelledSoftmax extends Match {
  readonly logits: Ref;
}

/**
 * exp(x − max x) / Σ exp(x − max x) ⇒ Softmax, as JAX and others write it. Whatever is subtracted,
 * exp(z) / Σ exp(z) is the softmax of z; a maximum over the same axis goes, for the op takes it
 * itself.
 */
export const softmaxPass: Pass<SpelledSoftmax> = {
  name: 'softmax',

  match: (view) => view.nodes('RealDiv', 'Div', 'Mul').flatMap((node) => matchAt(view, node) ?? []),

  replace(builder, { at, logits }) {
    builder.node('Softmax', at, [logits], {}, at);
  },
};

function matchAt(view: ShapedView, node: GraphNode): SpelledSoftmax | null {
  const [first, second] = node.inputs as [Ref, Ref];
  const isProduct = node.op === 'Mul';
  for (const [powers, sums] of [
    [first, second],
    [second, first],
  ] as const) {
    const exp = view.node(withoutIdentity(view, powers));
    if (exp?.op === 'Exp' && isReduced(view, sums, 'Sum', exp.name, isProduct)) {
      return { at: node.name, replaced: [node.name], logits: logitsOf(view, exp.inputs[0]!) };
    }
    if (!isProduct) return null;
  }
  return null;
}

/** x of x − max x, or z as it is. */
function logitsOf(view: ShapedView, z: Ref): Ref {
  const node = view.node(withoutIdentity(view, z));
  if (node?.op !== 'Sub') return z;
  const [x, maximum] = node.inputs as [Ref, Ref];
  return isReduced(view, maximum, 'Max', x) ? x : z;
}

/**
 * Whether a tensor is another one reduced along its last axis, one value for each row, standing in
 * the rows; of `inverse`, one over it.
 */
function isReduced(
  view: ShapedView,
  ref: Ref,
  op: 'Max' | 'Sum',
  whole: Ref,
  inverse = false,
): boolean {
  const spread = view.node(withoutIdentity(view, ref));
  const column = spread?.op === 'BroadcastTo' ? spread.inputs[0]! : ref;
  const dims = view.dimsOf(whole);
  if (dims === null || `${view.dimsOf(column)}` !== `${[...dims.slice(0, -1), 1]}`) return false;
  if (spread?.op === 'BroadcastTo' && `${view.dimsOf(spread.name)}` !== `${dims}`) return false;
  const node = beforeShaping(view, column, inverse);
  if (node?.op !== op) return false;
  const axes = view.integers(node.inputs[1]);
  if (axes?.length !== 1 || (axes[0] !== -1 && axes[0] !== dims.length - 1)) return false;
  const [own, source] = [whole, node.inputs[0]!].map((from) => withoutIdentity(view, from));
  return own === source;
}

function withoutIdentity(view: ShapedView, ref: Ref): Ref {
  const node = view.node(ref);
  const passes = node !== null && IDENTITY.has(node.op);
  return passes ? withoutIdentity(view, node.inputs[0]!) : canonical(ref);
}

/**
 * What is behind nodes that leave values in their order, and behind the maximum of them and −∞;
 * where `inverse` is wanted, behind one over them.
 */
function beforeShaping(view: ShapedView, ref: Ref, inverse: boolean): GraphNode | null {
  const node = view.node(ref);
  if (node === null) return null;
  const { op, inputs } = node;
  const next = (at: number, stillInverse = inverse) =>
    beforeShaping(view, inputs[at]!, stillInverse);
  if (IDENTITY.has(op) || ['Reshape', 'ExpandDims', 'Squeeze'].includes(op)) return next(0);
  if (op === 'Reciprocal' && inverse) return next(0, false);
  if (op !== 'Maximum') return inverse ? null : node;
  const lowest = [0, 1].find((at) => view.scalar(inputs[at]) === Number.NEGATIVE_INFINITY);
  return lowest === undefined ? null : next(1 - lowest);
}
