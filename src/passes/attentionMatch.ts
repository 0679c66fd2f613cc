import { type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { IDENTITY, PRODUCTS } from '../graph/opSets.js';
import { type Labelled, type LabelledProduct, labelledProduct } from '../recognize/axes/labels.js';
import type { ShapedView } from '../shapes/view.js';
import type { Atom } from './atoms.js';

// Stricter than recognize/attentions.ts, which finds attentions for the roles of linears, and kept
// apart from it on purpose: what is fused must compute the same, a role has only to be right.

type Label = Atom['label'];

/** One operand of an attention, with what its axes are. */
export interface Operand {
  readonly ref: Ref;
  readonly labels: readonly Label[];
}

/**
 * softmax(scale · q kᵀ + mask) v as it was found; `out` says what the axes of the last product are.
 */
export interface AttentionMatch {
  readonly q: Operand;
  readonly k: Operand;
  readonly v: Operand;
  readonly mask: Ref | null;
  readonly scale: number;
  readonly mix: string;
  readonly out: readonly Label[];
  /** The nodes between the operands and the last product. */
  readonly inside: readonly string[];
}

/** What leads from the first product to the softmax. */
interface Scores {
  readonly product: GraphNode;
  readonly scale: number;
  readonly mask: Ref | null;
  readonly inside: readonly string[];
}

/** The attention around a softmax, or null. */
export function matchAttention(view: ShapedView, softmax: GraphNode): AttentionMatch | null {
  const scores = scoresOf(view, softmax);
  const first = scores === null ? null : labelledProduct(view, scores.product);
  if (scores === null || first === null) return null;
  const behind = mixOf(view, softmax);
  const second = behind === null ? null : labelledProduct(view, behind.mix);
  if (behind === null || second === null) return null;
  // weights by their place in a row: what is reshaped in between must be so again
  const shapes = [behind.weights, scores.product.name].map((ref) => `${view.dimsOf(ref)}`);
  if (behind.reshaped && (shapes[0] !== shapes[1] || shapes[0] === 'null')) return null;
  if (scores.mask !== null && !fitsMask(view, scores.mask, scores.product.name)) return null;
  const roles = rolesOf(first);
  const operands = roles === null ? null : sides(first, roles);
  const values = roles === null ? null : valuesOf(second, behind.weights, first.out, roles);
  if (operands === null || values === null) return null;
  const inside = [scores.product.name, ...scores.inside, softmax.name, ...behind.inside];
  const { mask, scale } = scores;
  return { ...operands, ...values, mask, scale, mix: behind.mix.name, inside };
}

/** Backwards from the softmax: a mask, a constant factor, rows. */
function scoresOf(view: ShapedView, softmax: GraphNode): Scores | null {
  const inside: string[] = [];
  let ref = softmax.inputs[0]!;
  let [scale, mask]: [number, Ref | null] = [1, null];
  for (;;) {
    const node = view.node(ref);
    if (node === null || view.onlyValueReader(node.name) === null) return null;
    if (PRODUCTS.has(node.op)) return { product: node, scale, mask, inside };
    inside.push(node.name);
    const [first, second] = node.inputs as [Ref, Ref];
    const [before, behind] = [view.scalar(first), view.scalar(second)];
    if (IDENTITY.has(node.op)) ref = first;
    else if (node.op === 'Mul' && behind !== null) [ref, scale] = [first, scale * behind];
    else if (node.op === 'Mul' && before !== null) [ref, scale] = [second, scale * before];
    else if (/^(Real)?Div$/.test(node.op) && behind !== null)
      [ref, scale] = [first, scale / behind];
    else if (/^Add(V2)?$/.test(node.op) && mask === null && scale === 1) {
      const at = leadsToProduct(view, second) ? 1 : 0;
      [ref, mask] = [node.inputs[at]!, node.inputs[1 - at]!];
    } else if (node.op === 'Reshape' && mask === null) {
      const [row, old] = [node.name, first].map((each) => view.dimsOf(each)?.at(-1));
      if (row === undefined || row !== old) return null;
      ref = first;
    } else return null;
  }
}

/**
 * Whether it is this side of a sum that holds the scores: factors of numbers may stand before them.
 */
function leadsToProduct(view: ShapedView, ref: Ref): boolean {
  const node = view.node(ref);
  if (node === null) return false;
  if (PRODUCTS.has(node.op)) return node.inputs.every((input) => view.constant(input) === null);
  if (!IDENTITY.has(node.op) && !['Mul', 'RealDiv', 'Div'].includes(node.op)) return false;
  return node.inputs.some((input) => leadsToProduct(view, input));
}

interface Mix {
  readonly mix: GraphNode;
  /** What the product reads. */
  readonly weights: Ref;
  readonly reshaped: boolean;
  readonly inside: readonly string[];
}

/** Forwards from the softmax to the product with the values. */
function mixOf(view: ShapedView, softmax: GraphNode): Mix | null {
  const inside: string[] = [];
  let name = softmax.name;
  for (;;) {
    const reader = view.onlyValueReader(name);
    if (reader === null) return null;
    const shapes =
      ['Reshape', ...IDENTITY].includes(reader.op) && nodeOf(reader.inputs[0]!) === name;
    if (!shapes) {
      const reshaped = inside.some((each) => view.graph.nodes.get(each)!.op === 'Reshape');
      return { mix: reader, weights: name, reshaped, inside };
    }
    inside.push(reader.name);
    name = reader.name;
  }
}

/**
 * What the labels of the first product stand for: the result's last axis are keys, the one before
 * queries.
 */
function rolesOf({ operands, out }: LabelledProduct): ReadonlyMap<string, Label> | null {
  if (out.length < 2) return null;
  const leading = out.slice(0, -2);
  const roles = new Map<string, Label>();
  leading.forEach((label, i) => {
    // one leading axis: samples, or samples and heads; of more the last are heads
    roles.set(label, leading.length > 1 && i === leading.length - 1 ? 'h' : 'b');
  });
  const inner = [...new Set(operands.flatMap(({ labels }) => labels))].filter(
    (label) => !out.includes(label),
  );
  const [c] = inner;
  if (inner.length !== 1 || !operands.every(({ labels }) => labels.includes(c!))) return null;
  return roles.set(c!, 'c').set(out.at(-2)!, 't').set(out.at(-1)!, 't');
}

/** Which operand holds the queries, and which the keys. */
function sides({ operands, out }: LabelledProduct, roles: ReadonlyMap<string, Label>) {
  const [query, key] = out.slice(-2) as [string, string];
  const holding = (own: string, other: string) =>
    operands.find(({ labels }) => labels.includes(own) && !labels.includes(other));
  const [q, k] = [holding(query, key), holding(key, query)];
  if (q === undefined || k === undefined) return null;
  return { q: labelled(q, roles), k: labelled(k, roles) };
}

function labelled({ ref, labels }: Labelled, roles: ReadonlyMap<string, Label>): Operand {
  return { ref, labels: labels.map((label) => roles.get(label)!) };
}

/** The values' operand of the second product, and what the axes of its result are. */
function valuesOf(
  { operands, out }: LabelledProduct,
  weights: Ref,
  scores: readonly string[],
  roles: ReadonlyMap<string, Label>,
): Pick<AttentionMatch, 'v' | 'out'> | null {
  const at = nodeOf(operands[0].ref) === weights ? 0 : 1;
  const [own, v] = [operands[at]!, operands[1 - at]!];
  if (nodeOf(own.ref) !== weights || own.labels.length !== scores.length) return null;
  const named = new Map(own.labels.map((label, i) => [label, roles.get(scores[i]!)!]));
  const [query, key] = own.labels.slice(-2) as [string, string];
  const channels = v.labels.filter((label) => !named.has(label));
  const [c] = channels;
  const kept = [...own.labels.slice(0, -1), c];
  const fits =
    channels.length === 1 &&
    v.labels.includes(key) &&
    !v.labels.includes(query) &&
    out.length === kept.length &&
    kept.every((label) => out.includes(label!));
  if (!fits) return null;
  named.set(c!, 'c');
  return { v: labelled(v, named), out: out.map((label) => named.get(label)!) };
}

/**
 * A mask is added as [samples, heads, queries, keys]: where samples and heads are one axis, or more
 * than two, it has none.
 */
function fitsMask(view: ShapedView, mask: Ref, scores: Ref): boolean {
  const [own, whole] = [view.dimsOf(mask), view.dimsOf(scores)];
  if (own === null || whole === null || own.length > Math.min(whole.length, 4)) return false;
  const isScore = (fromEnd: number) => {
    const [a, b] = [own.at(fromEnd) ?? 1, whole.at(fromEnd)!];
    // a mask that makes queries or keys of one is none
    return a === 1 || a === b || (typeof a === 'string' && b !== 1) || typeof b === 'string';
  };
  if (!isScore(-1) || !isScore(-2)) return false;
  const aligned = whole.length === 4 ? 4 : 2 + (whole.length > 4 ? 1 : 0);
  return own.slice(0, Math.max(own.length - aligned, 0)).every((dim) => dim === 1);
}
