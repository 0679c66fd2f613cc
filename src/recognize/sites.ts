import { numberAttr } from '../graph/attrs.js';
import { constantIntegers, constantView } from '../graph/constants.js';
import { dataRefs } from '../graph/dataRefs.js';
import { canonical, type Graph, type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { BINARY, IDENTITY, UNARY } from '../graph/opSets.js';
import type { ShapeOf } from '../shapes/shapes.js';
import type { Linear, Linears } from './linears.js';

/**
 * The tensor that a linear's transform belongs on. Several linears may share one: q, k and v, or
 * the gates of an MLP.
 */
export interface Site {
  /** The tensor itself: [..., tokens, channels], the channels over the last `axes` axes. */
  readonly source: Ref;
  readonly axes: number;
  /** Its channels. */
  readonly d: number;
  /**
   * Where the tokens of one sample are: on the axis before the channels; or hidden, because samples
   * and tokens were flattened into rows, and then `like` ([..., tokens, anything], its last
   * `likeAxes` axes no rows) says how to take them apart; or nowhere: one row per sample.
   */
  readonly tokens: 'axis' | 'hidden' | 'none';
  readonly like: Ref | null;
  readonly likeAxes: number;
}

/**
 * Where the transform of a linear goes. `flattened`: the linear itself reads the site through a
 * reshape to rows.
 */
export function siteOf(
  graph: Graph,
  linears: Linears,
  shapeOf: ShapeOf,
  linear: Linear,
): { site: Site; flattened: boolean } {
  const { d, inputAxes } = linear;
  const input = canonical(linear.input);
  const here = { source: input, axes: inputAxes, d, like: null, likeAxes: 0 };
  const shape = shapeOf(input);
  if (shape !== null && shape.length > inputAxes + 1) {
    // a token axis of length 1 is the conditioning vector kept as [batch, 1, d]
    const tokens = shape[shape.length - inputAxes - 1] === 1 ? 'none' : 'axis';
    return { site: { ...here, tokens }, flattened: false };
  }
  // what has an unknown rank may be read as it is
  const isRows = shape?.length === inputAxes + 1 || isMatrixProduct(graph, linear);
  const unflattened = isRows ? beforeFlattening(graph, shapeOf, input, d) : null;
  if (unflattened !== null) return { site: { ...here, ...unflattened }, flattened: true };
  const rows = shape !== null && shape.length === 2 ? rowsOf(graph, linears, shapeOf, input) : null;
  if (rows === null) return { site: { ...here, tokens: 'none' }, flattened: false };
  return {
    site: { ...here, tokens: 'hidden', like: rows.ref, likeAxes: rows.axes },
    flattened: false,
  };
}

/** One name per site, for statistics and for sharing. */
export function siteKey({ source, axes }: Site): string {
  return axes === 1 ? source : `${source}/${axes}`;
}

/**
 * The tensor of rank ≥ 3 that a reshape turned into rows of d channels, its trailing axes kept
 * whole.
 */
function beforeFlattening(
  graph: Graph,
  shapeOf: ShapeOf,
  ref: Ref,
  d: number,
): Pick<Site, 'source' | 'axes' | 'tokens'> | null {
  const before = reshapeBehind(graph, ref);
  if (before === null) return null;
  const shape = shapeOf(before);
  const axes = shape === null ? null : trailingAxes(shape, d);
  if (shape !== null && axes !== null && shape.length >= axes + 2) {
    const tokens = shape[shape.length - axes - 1] === 1 ? 'none' : 'axis';
    return { source: canonical(before), axes, tokens };
  }
  return beforeFlattening(graph, shapeOf, before, d);
}

/** How many trailing axes hold exactly d values, or null. */
function trailingAxes(shape: readonly number[], d: number): number | null {
  for (let axes = 1, size = 1; axes <= shape.length; axes++) {
    const dim = shape[shape.length - axes]!;
    if (dim < 0) return null;
    size *= dim;
    if (size === d) return axes;
    if (size > d) return null;
  }
  return null;
}

function reshapeBehind(graph: Graph, ref: Ref): Ref | null {
  const node = graph.nodes.get(nodeOf(ref));
  if (node === undefined || node.inputs[0] === undefined) return null;
  if (node.op === 'Reshape' || node.op === 'Squeeze' || node.op === 'ExpandDims')
    return node.inputs[0];
  return IDENTITY.has(node.op) ? reshapeBehind(graph, node.inputs[0]) : null;
}

/**
 * Whether the product takes matrices only, so that its input has rank 2 even where no shape is
 * known.
 */
function isMatrixProduct(graph: Graph, { product }: Linear): boolean {
  const op = graph.nodes.get(product)?.op;
  return op === 'MatMul' || op === '_FusedMatMul';
}

/** Follows rows [samples · tokens, channels] back to the tensor that they were flattened from. */
function rowsOf(
  graph: Graph,
  linears: Linears,
  shapeOf: ShapeOf,
  start: Ref,
): { ref: Ref; axes: number } | null {
  const open = [start];
  const seen = new Set<Ref>();
  for (let ref = open.pop(); ref !== undefined; ref = open.pop()) {
    if (seen.has(ref)) continue;
    seen.add(ref);
    const node = graph.nodes.get(nodeOf(ref));
    if (node === undefined) continue;
    const linear = linears.byNode.get(node.name);
    if (linear !== undefined) {
      open.push(canonical(linear.input));
    } else if (node.op === 'Reshape') {
      const found = flattenedRows(graph, shapeOf, ref, node.inputs[0]!);
      if (found !== null) return found;
    } else if (keepsRows(graph, node)) {
      // only operands that have the rows themselves: a vector, or a single row, is broadcast
      const hasRows = (input: Ref) => shapeOf(input)?.length === 2 && shapeOf(input)![0] !== 1;
      const operands = dataRefs(node).filter((input) => constantView(graph, input) === null);
      open.push(...operands.filter(hasRows).map(canonical));
    }
  }
  return null;
}

/** Whether each row of what a node gives comes from the same row of what it reads. */
function keepsRows(graph: Graph, { op, attrs, inputs }: GraphNode): boolean {
  if (IDENTITY.has(op) || UNARY.has(op) || BINARY.has(op)) return true;
  const integer = (i: number) => constantIntegers(graph, inputs.at(i))?.[0] ?? 0;
  const isWhole = (mask: string) => (numberAttr(attrs, mask, 0) & 1) === 1;
  switch (op) {
    case 'Split':
      return integer(0) !== 0;
    case 'SplitV':
    case 'ConcatV2':
      return integer(-1) !== 0;
    case 'Slice':
      return constantIntegers(graph, inputs[2])?.[0] === -1 && integer(1) === 0;
    case 'StridedSlice':
      return isWhole('begin_mask') && isWhole('end_mask');
    default:
      return false;
  }
}

function flattenedRows(
  graph: Graph,
  shapeOf: ShapeOf,
  rows: Ref,
  from: Ref,
): { ref: Ref; axes: number } | null {
  const columns = shapeOf(rows)?.[1] ?? -1;
  const shape = shapeOf(from);
  if (columns < 0 || shape === null) return null;
  const axes = trailingAxes(shape, columns);
  if (axes !== null && shape.length >= axes + 2 && shape[shape.length - axes - 1] !== 1) {
    return { ref: canonical(from), axes };
  }
  const before = reshapeBehind(graph, from);
  return before === null ? null : flattenedRows(graph, shapeOf, from, before);
}
