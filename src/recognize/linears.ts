import { boolAttr, stringAttr } from '../graph/attrs.js';
import { type ConstantView, constantView, permuted } from '../graph/constants.js';
import { plainEinsum } from '../graph/einsum.js';
import { consumersOf, type Graph, type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { PRODUCTS } from '../graph/opSets.js';
import { type ShapeOf, shapeInference } from '../shapes/shapes.js';
import { type FusedActivation, fusedParts, NOTHING_FUSED, vector } from './fusedParts.js';

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
  readonly d: number;
  readonly n: number;
  /** The trailing axes of Y: [n], or [heads, channels] for an Einsum. */
  readonly outputAxes: readonly number[];
  /** b: [n], or null. */
  readonly bias: ConstantView | null;
  readonly activation: FusedActivation | null;
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
export function findLinears(graph: Graph, shapeOf: ShapeOf = shapeInference(graph)): Linears {
  const consumers = consumersOf(graph);
  const awaited = new Set([...graph.nodes.values()].flatMap(({ controls }) => controls));
  const list: Linear[] = [];
  const byNode = new Map<string, Linear>();
  for (const node of graph.nodes.values()) {
    const isProduct = PRODUCTS.has(node.op) && !boolAttr(node.attrs, PART_ATTR);
    const bare = isProduct ? matchProduct(graph, shapeOf, node) : null;
    if (bare === null) continue;
    const linear = withBias(graph, shapeOf, consumers, awaited, bare);
    list.push(linear);
    byNode.set(linear.product, linear);
    byNode.set(linear.name, linear);
  }
  return { list, byNode };
}

function matchProduct(graph: Graph, shapeOf: ShapeOf, node: GraphNode): Linear | null {
  switch (node.op) {
    case 'MatMul':
    case '_FusedMatMul':
      return matchMatMul(graph, shapeOf, node, 'transpose_a', 'transpose_b');
    case 'Einsum':
      return matchEinsum(graph, node);
    default:
      return matchMatMul(graph, shapeOf, node, 'adj_x', 'adj_y');
  }
}

/** x W or x Wᵀ with W constant: [d, n], or [1, …, 1, d, n] for a batched product. */
function matchMatMul(
  graph: Graph,
  shapeOf: ShapeOf,
  node: GraphNode,
  transposeX: string,
  transposeW: string,
): Linear | null {
  const { attrs, inputs, name, op } = node;
  const [x, w] = inputs as [Ref, Ref];
  if (boolAttr(attrs, transposeX) || constantView(graph, x) !== null) return null;
  const view = constantView(graph, w);
  if (view === null || view.dtype !== 'float32' || view.shape.length < 2) return null;
  if (view.shape.slice(0, -2).some((dim) => dim !== 1)) return null;
  // leading ones of W would give the result axes that x does not have
  if (view.shape.length > 2 && (shapeOf(x)?.length ?? 0) < view.shape.length) return null;
  const transposed = boolAttr(attrs, transposeW);
  const flat = { ...view, shape: view.shape.slice(-2) };
  const matrix = transposed ? permuted(flat, [1, 0]) : flat;
  const [d, n] = matrix.shape as [number, number];
  const fused = op === '_FusedMatMul' ? fusedParts(graph, node, n) : NOTHING_FUSED;
  if (fused === null) return null;
  return {
    name,
    product: name,
    form: `${op}${transposed ? ' (W transposed)' : ''}`,
    input: x,
    inputAxes: 1,
    matrix: () => toFloats(matrix),
    weight: view.weight,
    d,
    n,
    outputAxes: [n],
    ...fused,
  };
}

/**
 * `…K,KN->…N` with W constant: the contracted labels K last in x, the new labels N last in the
 * result, any order in W.
 */
function matchEinsum(graph: Graph, node: GraphNode): Linear | null {
  const { inputs, name } = node;
  const einsum = plainEinsum(node);
  if (einsum === null) return null;
  const { equation, terms, output } = einsum;
  const views = inputs.map((ref) => constantView(graph, ref));
  const at = views[0] === null ? 1 : 0;
  const view = views[at] ?? null;
  if (view === null || views[1 - at] !== null || view.dtype !== 'float32') return null;
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
    view,
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
    weight: view.weight,
    d: size(0, inner.length),
    n: size(inner.length),
    outputAxes: matrix.shape.slice(inner.length),
    ...NOTHING_FUSED,
  };
}

/**
 * Takes the addition of a constant vector behind the product along, where nothing else reads the
 * product.
 */
function withBias(
  graph: Graph,
  shapeOf: ShapeOf,
  consumers: ReadonlyMap<string, readonly GraphNode[]>,
  awaited: ReadonlySet<string>,
  linear: Linear,
): Linear {
  if (linear.bias !== null || linear.activation !== null) return linear;
  if (graph.outputs.includes(linear.name) || awaited.has(linear.name)) return linear;
  const readers = consumers.get(linear.name) ?? [];
  const [reader] = readers;
  if (readers.length !== 1 || reader === undefined) return linear;
  if (!['BiasAdd', 'Add', 'AddV2'].includes(reader.op)) return linear;
  if (stringAttr(reader.attrs, 'data_format').toUpperCase() === 'NCHW') return linear;
  const other = reader.inputs.find((ref) => nodeOf(ref) !== linear.name);
  const view = other === undefined ? null : constantView(graph, other);
  // [n], or [heads, channels] behind an Einsum, with leading ones; more of them than the product
  // has would add axes
  const bias = vector(view, linear.n);
  const rank = shapeOf(linear.product)?.length ?? linear.outputAxes.length + 1;
  if (bias === null || view === null || view.shape.length > rank) return linear;
  const trailing = view.shape.slice(-linear.outputAxes.length);
  if (`${trailing}` !== `${linear.outputAxes}`) return linear;
  return { ...linear, name: reader.name, bias };
}

function toFloats(view: ConstantView): Float32Array {
  const values = view.read();
  return values instanceof Float32Array ? values : Float32Array.from(values);
}
