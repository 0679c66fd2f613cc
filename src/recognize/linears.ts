import { boolAttr, stringAttr } from '../graph/attrs.js';
import { type ConstantView, permuted } from '../graph/constants.js';
import { plainEinsum } from '../graph/einsum.js';
import { type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { PRODUCTS } from '../graph/opSets.js';
import type { ShapedView } from '../shapes/view.js';
import { type FusedActivation, fusedParts, NOTHING_FUSED, vector } from './fusedParts.js';
import { TURNED_ATTR } from './normalize/turned.js';

export type { FusedActivation } from './fusedParts.js';

/**
 * Marks a product that belongs to a rewritten linear, so that a second rewrite does not take it for
 * one.
 */
export const PART_ATTR = '_hadanorm';

/** Y = X W + b in a graph: a product with a constant matrix and what belongs to it. */
export interface Linear {
  /** The node whose value the linear gives: its bias addition, or the product itself. */
  readonly name: string;
  /** The product's node. */
  readonly product: string;
  /** How it is written, for `describeGraph`. */
  readonly form: string;
  /** X as the product reads it. */
  readonly input: Ref;
  /** How many trailing axes of X are the d input channels (Einsum may contract two). */
  readonly inputAxes: number;
  /** W: [d, n], row-major float32. */
  readonly matrix: () => Float32Array;
  readonly weight: string;
  /** W as the product reads it, and whether its values stand there as in [d, n]. */
  readonly weights: Ref;
  readonly inOrder: boolean;
  readonly d: number;
  readonly n: number;
  /** The trailing axes of Y: [n], or [heads, channels] for an Einsum. */
  readonly outputAxes: readonly number[];
  /** b: [n], or null. */
  readonly bias: ConstantView | null;
  readonly activation: FusedActivation | null;
  /** Where the original has Y's axes in another order: the node that turns the product. */
  readonly turned: Turned | null;
}

/** A Transpose between a product and what else belongs to its linear. */
export interface Turned {
  readonly node: string;
  readonly order: readonly number[];
}

/**
 * Every product with a constant matrix in the graph, in file order, by node name: its product and
 * its bias addition.
 */
export interface Linears {
  readonly list: readonly Linear[];
  /** The linear that a node belongs to. */
  readonly byNode: ReadonlyMap<string, Linear>;
}

/** Finds the linears of a graph, whatever they are called. */
export function findLinears(view: ShapedView): Linears {
  const list: Linear[] = [];
  const byNode = new Map<string, Linear>();
  for (const node of view.graph.nodes.values()) {
    const isProduct = PRODUCTS.has(node.op) && !boolAttr(node.attrs, PART_ATTR);
    const bare = isProduct ? matchProduct(view, node) : null;
    if (bare === null) continue;
    const linear = withBias(view, withTurn(view, node, bare));
    list.push(linear);
    byNode.set(linear.product, linear);
    byNode.set(linear.name, linear);
  }
  return { list, byNode };
}

function matchProduct(view: ShapedView, node: GraphNode): Linear | null {
  switch (node.op) {
    case 'MatMul':
    case '_FusedMatMul':
      return matchMatMul(view, node, 'transpose_a', 'transpose_b');
    case 'Einsum':
      return matchEinsum(view, node);
    default:
      return matchMatMul(view, node, 'adj_x', 'adj_y');
  }
}

/** x W or x Wᵀ with W constant: [d, n], or [1, …, 1, d, n] for a batched product. */
function matchMatMul(
  view: ShapedView,
  node: GraphNode,
  transposeX: string,
  transposeW: string,
): Linear | null {
  const { attrs, inputs, name, op } = node;
  const [x, w] = inputs as [Ref, Ref];
  if (boolAttr(attrs, transposeX) || view.constant(x) !== null) return null;
  const weights = view.constant(w);
  if (weights === null || weights.dtype !== 'float32' || weights.shape.length < 2) return null;
  if (weights.shape.slice(0, -2).some((dim) => dim !== 1)) return null;
  // leading ones of W would give the result axes that x does not have
  const { length: rank } = weights.shape;
  if (rank > 2 && (view.shapeOf(x)?.length ?? 0) < rank) return null;
  const transposed = boolAttr(attrs, transposeW);
  const flat = { ...weights, shape: weights.shape.slice(-2) };
  const matrix = transposed ? permuted(flat, [1, 0]) : flat;
  const [d, n] = matrix.shape as [number, number];
  const fused = op === '_FusedMatMul' ? fusedParts(view, node, n) : NOTHING_FUSED;
  if (fused === null) return null;
  return {
    name,
    product: name,
    form: `${op}${transposed ? ' (W transposed)' : ''}`,
    input: x,
    inputAxes: 1,
    matrix: () => toFloats(matrix),
    weight: weights.weight,
    weights: w,
    inOrder: !transposed,
    d,
    n,
    outputAxes: [n],
    ...fused,
    turned: null,
  };
}

/**
 * `…K,KN->…N` with W constant: the contracted labels K last in x, the new labels N last in the
 * result, any order in W.
 */
function matchEinsum(view: ShapedView, node: GraphNode): Linear | null {
  const { inputs, name } = node;
  const einsum = plainEinsum(node);
  if (einsum === null) return null;
  const { equation, terms, output } = einsum;
  const constants = inputs.map((ref) => view.constant(ref));
  const at = constants[0] === null ? 1 : 0;
  const weights = constants[at] ?? null;
  if (weights === null || constants[1 - at] !== null || weights.dtype !== 'float32') return null;
  const x = terms[1 - at]!;
  const w = terms[at]!;
  const inner = x.filter((label) => w.includes(label));
  const batch = x.filter((label) => !w.includes(label));
  const outer = output.filter((label) => w.includes(label));
  if (inner.length === 0 || outer.length === 0 || inner.length + outer.length !== w.length)
    return null;
  // anything else needs a transpose around the product
  if (`${x}` !== `${[...batch, ...inner]}` || `${output}` !== `${[...batch, ...outer]}`) {
    return null;
  }
  const matrix = permuted(
    weights,
    [...inner, ...outer].map((label) => w.indexOf(label)),
  );
  const size = (from: number, to?: number) =>
    matrix.shape.slice(from, to).reduce((a, b) => a * b, 1);
  return {
    name,
    product: name,
    form: `Einsum ${equation}`,
    input: inputs[1 - at]!,
    inputAxes: inner.length,
    matrix: () => toFloats(matrix),
    weight: weights.weight,
    weights: inputs[at]!,
    inOrder: matrix === weights,
    d: size(0, inner.length),
    n: size(inner.length),
    outputAxes: matrix.shape.slice(inner.length),
    ...NOTHING_FUSED,
    turned: null,
  };
}

/** Takes the Transpose along that normalizing put behind a product. */
function withTurn(view: ShapedView, product: GraphNode, linear: Linear): Linear {
  if (!boolAttr(product.attrs, TURNED_ATTR)) return linear;
  const reader = view.onlyReader(product.name);
  const order = reader?.op === 'Transpose' ? view.integers(reader.inputs[1]) : null;
  if (reader === null || order === null) return linear;
  return { ...linear, name: reader.name, turned: { node: reader.name, order } };
}

/**
 * Takes the addition of a constant vector behind the product along, where nothing else reads the
 * product.
 */
function withBias(view: ShapedView, linear: Linear): Linear {
  if (linear.bias !== null || linear.activation !== null) return linear;
  if (view.mustStay(linear.name)) return linear;
  const readers = view.readers(linear.name);
  const [reader] = readers;
  if (readers.length !== 1 || reader === undefined) return linear;
  if (!['BiasAdd', 'Add', 'AddV2'].includes(reader.op)) return linear;
  if (stringAttr(reader.attrs, 'data_format').toUpperCase() === 'NCHW') return linear;
  const other = reader.inputs.find((ref) => nodeOf(ref) !== linear.name);
  const rank = view.shapeOf(linear.product)?.length ?? linear.outputAxes.length + 1;
  const bias = inProductOrder(vector(view.constant(other), linear.n), linear, rank);
  // [n], or [heads, channels] behind an Einsum, with leading ones; more of them than the product
  // has would add axes
  if (bias === null || bias.shape.length > rank) return linear;
  const trailing = bias.shape.slice(-linear.outputAxes.length);
  if (`${trailing}` !== `${linear.outputAxes}`) return linear;
  return { ...linear, name: reader.name, bias };
}

/** A bias of a turned result, its axes as the product has them. */
function inProductOrder(
  bias: ConstantView | null,
  { turned }: Linear,
  rank: number,
): ConstantView | null {
  if (bias === null || turned === null || bias.shape.length > rank) return bias;
  const shape = [...new Array<number>(rank - bias.shape.length).fill(1), ...bias.shape];
  const back = shape.map((_, axis) => turned.order.indexOf(axis));
  return permuted({ ...bias, shape }, back);
}

function toFloats(matrix: ConstantView): Float32Array {
  const values = matrix.read();
  return values instanceof Float32Array ? values : Float32Array.from(values);
}
