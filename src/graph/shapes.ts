import { boolAttr, numberAttr, shapeAttr, stringAttr } from './attrs.js';
import { constantIntegers, constantView, squeezedAxes } from './constants.js';
import { convolvedShape } from './convShapes.js';
import { canonical, type Graph, type GraphNode, nodeOf, outputOf, type Ref } from './ir.js';
import { BINARY, IDENTITY, REDUCTIONS, UNARY } from './opSets.js';
import { slicedShape, stridedShape } from './sliceShapes.js';
import { topologicalOrder } from './verify.js';

/** A shape as far as it is known before a run: −1 for a dimension that is not. */
export type PartialShape = readonly number[];

/** What shape a tensor has, or null where not even its rank is known. */
export type ShapeOf = (ref: Ref) => PartialShape | null;

/**
 * Infers shapes from placeholders, weights and attributes. What a calibration run observed comes first.
 * An op it does not know has no shape; it never guesses.
 */
export function shapeInference(
  graph: Graph,
  observed: ReadonlyMap<Ref, PartialShape> = new Map(),
): ShapeOf {
  const known = new Map<Ref, PartialShape | null>();
  const shapeOf: ShapeOf = (given) => {
    const ref = canonical(given);
    const seen = observed.get(ref) ?? known.get(ref);
    if (seen !== undefined) return seen;
    const node = graph.nodes.get(nodeOf(ref));
    if (node === undefined) return null;
    // a loop's back edge finds this and stops
    known.set(ref, null);
    const shape = infer(graph, node, outputOf(ref), shapeOf);
    known.set(ref, shape);
    return shape;
  };
  // inputs first: a deep graph would overflow the stack otherwise
  for (const { name } of topologicalOrder(graph)) shapeOf(name);
  return shapeOf;
}

function infer(
  graph: Graph,
  node: GraphNode,
  output: number,
  shapeOf: ShapeOf,
): PartialShape | null {
  const { op, attrs, inputs } = node;
  const first = () => (inputs[0] === undefined ? null : shapeOf(inputs[0]));
  if (IDENTITY.has(op) || UNARY.has(op)) return first();
  if (op === 'BiasAdd') return first();
  if (BINARY.has(op))
    return broadcast(first(), inputs[1] === undefined ? null : shapeOf(inputs[1]));
  if (REDUCTIONS.has(op)) return reduced(graph, node, first());
  switch (op) {
    case 'Placeholder':
    case 'PlaceholderWithDefault':
      return shapeAttr(attrs, 'shape');
    case 'Const':
      return constantView(graph, node.name)?.shape ?? null;
    case 'Reshape':
      return reshaped(graph, node, first(), shapeOf);
    case 'Transpose': {
      const order = constantIntegers(graph, inputs[1]);
      const shape = first();
      return shape === null || order === null ? null : order.map((axis) => shape[axis]!);
    }
    case 'MatMul':
    case '_FusedMatMul':
      return product(node, first(), shapeOf(inputs[1]!), 'transpose_a', 'transpose_b');
    case 'BatchMatMul':
    case 'BatchMatMulV2':
    case 'BatchMatMulV3':
      return product(node, first(), shapeOf(inputs[1]!), 'adj_x', 'adj_y');
    case 'Einsum':
      return einsum(stringAttr(attrs, 'equation'), inputs.map(shapeOf));
    case 'ExpandDims':
      return expanded(first(), constantIntegers(graph, inputs[1])?.[0]);
    case 'Squeeze':
      return squeezed(first(), squeezedAxes(node));
    case 'ConcatV2':
      return concatenated(
        inputs.slice(0, -1).map(shapeOf),
        constantIntegers(graph, inputs.at(-1))?.[0],
      );
    case 'Split':
      return split(
        shapeOf(inputs[1]!),
        constantIntegers(graph, inputs[0])?.[0],
        numberAttr(attrs, 'num_split', 1),
      );
    case 'SplitV':
      return splitSizes(
        first(),
        constantIntegers(graph, inputs[1]),
        constantIntegers(graph, inputs[2])?.[0],
        output,
      );
    case 'Unpack': {
      const shape = first();
      const axis = numberAttr(attrs, 'axis', 0);
      return shape?.filter((_, i) => i !== (axis < 0 ? axis + shape.length : axis)) ?? null;
    }
    case 'Pack':
      return expandedPack(shapeOf(inputs[0]!), numberAttr(attrs, 'axis', 0), inputs.length);
    case 'Gather':
      return gathered(first(), shapeOf(inputs[1]!), 0, 0);
    case 'GatherV2': {
      const axis = constantIntegers(graph, inputs[2])?.[0];
      return gathered(first(), shapeOf(inputs[1]!), axis, numberAttr(attrs, 'batch_dims', 0));
    }
    case 'Slice': {
      const shape = first();
      return shape === null ? null : slicedShape(graph, node, shape);
    }
    case 'StridedSlice': {
      const shape = first();
      return shape === null ? null : stridedShape(graph, node, shape, shapeOf);
    }
    case 'Conv2D':
      return convolvedShape(node, first(), shapeOf(inputs[1]!));
    case 'Shape': {
      const shape = first();
      return shape === null ? null : [shape.length];
    }
    default:
      return null;
  }
}

/** Broadcasting of partial shapes: an unknown dimension against 1 stays unknown, against n is n. */
function broadcast(a: PartialShape | null, b: PartialShape | null): PartialShape | null {
  if (a === null || b === null) return null;
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x === 1) return y;
    if (y === 1 || x === y) return x;
    return Math.max(x, y);
  });
}

function reduced(graph: Graph, { attrs, inputs }: GraphNode, shape: PartialShape | null) {
  const axes = constantIntegers(graph, inputs[1]);
  if (shape === null || axes === null) return null;
  const hit = new Set(axes.map((axis) => (axis < 0 ? axis + shape.length : axis)));
  if (boolAttr(attrs, 'keep_dims')) return shape.map((dim, i) => (hit.has(i) ? 1 : dim));
  return shape.filter((_, i) => !hit.has(i));
}

function reshaped(
  graph: Graph,
  { inputs }: GraphNode,
  from: PartialShape | null,
  shapeOf: ShapeOf,
): PartialShape | null {
  const wanted = constantIntegers(graph, inputs[1]);
  if (wanted === null) {
    // computed at run time: its length is the rank, and packed constants are dimensions
    const maker = graph.nodes.get(nodeOf(inputs[1] ?? ''));
    if (maker?.op === 'Pack')
      return maker.inputs.map((ref) => constantIntegers(graph, ref)?.[0] ?? -1);
    const rank = inputs[1] === undefined ? undefined : shapeOf(inputs[1])?.[0];
    return rank === undefined || rank < 0 ? null : new Array<number>(rank).fill(-1);
  }
  const known = wanted.reduce((all, dim) => (dim === -1 ? all : all * dim), 1);
  const size = from?.every((dim) => dim >= 0) ? from.reduce((all, dim) => all * dim, 1) : null;
  return wanted.map((dim) => (dim === -1 && size !== null ? size / known : dim));
}

function product(
  { attrs }: GraphNode,
  a: PartialShape | null,
  b: PartialShape | null,
  transposeA: string,
  transposeB: string,
): PartialShape | null {
  if (a === null || b === null || a.length < 2 || b.length < 2) return null;
  const rows = boolAttr(attrs, transposeA) ? a[a.length - 1]! : a[a.length - 2]!;
  const columns = boolAttr(attrs, transposeB) ? b[b.length - 2]! : b[b.length - 1]!;
  const batch = broadcast(a.slice(0, -2), b.slice(0, -2));
  return batch === null ? null : [...batch, rows, columns];
}

function einsum(equation: string, shapes: readonly (PartialShape | null)[]): PartialShape | null {
  const [left = '', right] = equation.replace(/\s/g, '').split('->');
  if (right === undefined || equation.includes('.')) return null;
  const sizes = new Map<string, number>();
  left.split(',').forEach((labels, i) => {
    [...labels].forEach((label, axis) => {
      const dim = shapes[i]?.[axis] ?? -1;
      if (dim >= 0 || !sizes.has(label)) sizes.set(label, dim);
    });
  });
  return [...right].map((label) => sizes.get(label) ?? -1);
}

function expanded(shape: PartialShape | null, axis: number | undefined): PartialShape | null {
  if (shape === null || axis === undefined) return null;
  const at = axis < 0 ? axis + shape.length + 1 : axis;
  return [...shape.slice(0, at), 1, ...shape.slice(at)];
}

function squeezed(shape: PartialShape | null, axes: readonly number[]): PartialShape | null {
  if (shape === null || (axes.length === 0 && shape.includes(-1))) return null;
  const hit = new Set(axes.map((axis) => (axis < 0 ? axis + shape.length : axis)));
  return shape.filter((dim, i) => (axes.length === 0 ? dim !== 1 : !hit.has(i)));
}

function concatenated(
  shapes: readonly (PartialShape | null)[],
  axis: number | undefined,
): PartialShape | null {
  const [head] = shapes;
  if (head === undefined || head === null || axis === undefined) return null;
  const at = axis < 0 ? axis + head.length : axis;
  const dims = shapes.map((shape) => shape?.[at] ?? -1);
  const total = dims.includes(-1) ? -1 : dims.reduce((sum, dim) => sum + dim, 0);
  return head.map((dim, i) => (i === at ? total : dim));
}

function split(shape: PartialShape | null, axis: number | undefined, parts: number) {
  if (shape === null || axis === undefined) return null;
  const at = axis < 0 ? axis + shape.length : axis;
  return shape.map((dim, i) => (i === at && dim > 0 ? dim / parts : dim));
}

function splitSizes(
  shape: PartialShape | null,
  sizes: readonly number[] | null,
  axis: number | undefined,
  output: number,
): PartialShape | null {
  if (shape === null || axis === undefined) return null;
  const at = axis < 0 ? axis + shape.length : axis;
  const size = sizes?.[output] ?? -1;
  // one of the sizes may be −1: what the others leave
  const others = sizes?.reduce((sum, part) => sum + Math.max(part, 0), 0) ?? 0;
  const left = sizes !== null && shape[at]! >= 0 ? shape[at]! - others : -1;
  return shape.map((dim, i) => (i === at ? (size === -1 ? left : size) : dim));
}

function gathered(
  table: PartialShape | null,
  indices: PartialShape | null,
  axis: number | undefined,
  batchDims: number,
): PartialShape | null {
  if (table === null || indices === null || axis === undefined) return null;
  const at = axis < 0 ? axis + table.length : axis;
  const batch = batchDims < 0 ? batchDims + indices.length : batchDims;
  return [...table.slice(0, at), ...indices.slice(batch), ...table.slice(at + 1)];
}

function expandedPack(
  shape: PartialShape | null,
  axis: number,
  count: number,
): PartialShape | null {
  if (shape === null) return null;
  const at = axis < 0 ? axis + shape.length + 1 : axis;
  return [...shape.slice(0, at), count, ...shape.slice(at)];
}
