import { numberAttr } from '../graph/attrs.js';
import { dataRefs } from '../graph/dataRefs.js';
import { canonical, type GraphNode, type Ref } from '../graph/ir.js';
import { BINARY, IDENTITY, UNARY } from '../graph/opSets.js';
import type { ShapedView } from '../shapes/view.js';
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
  view: ShapedView,
  linears: Linears,
  linear: Linear,
): { site: Site; flattened: boolean } {
  const { d, inputAxes } = linear;
  const input = canonical(linear.input);
  const here = { source: input, axes: inputAxes, d, like: null, likeAxes: 0 };
  const shape = view.shapeOf(input);
  if (shape !== null && shape.length > inputAxes + 1) {
    // a token axis of length 1 is the conditioning vector kept as [batch, 1, d]
    const tokens = shape[shape.length - inputAxes - 1] === 1 ? 'none' : 'axis';
    return { site: { ...here, tokens }, flattened: false };
  }
  // what has an unknown rank may be read as it is
  const isRows = shape?.length === inputAxes + 1 || isMatrixProduct(view, linear);
  const unflattened = isRows ? beforeFlattening(view, input, d) : null;
  if (unflattened !== null) return { site: { ...here, ...unflattened }, flattened: true };
  const rows = shape !== null && shape.length === 2 ? rowsOf(view, linears, input) : null;
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
  view: ShapedView,
  ref: Ref,
  d: number,
): Pick<Site, 'source' | 'axes' | 'tokens'> | null {
  const before = reshapeBehind(view, ref);
  if (before === null) return null;
  const shape = view.shapeOf(before);
  const axes = shape === null ? null : trailingAxes(shape, d);
  if (shape !== null && axes !== null && shape.length >= axes + 2) {
    const tokens = shape[shape.length - axes - 1] === 1 ? 'none' : 'axis';
    return { source: canonical(before), axes, tokens };
  }
  return beforeFlattening(view, before, d);
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

function reshapeBehind(view: ShapedView, ref: Ref): Ref | null {
  const node = view.producer(ref);
  if (node === null || node.inputs[0] === undefined) return null;
  if (node.op === 'Reshape' || node.op === 'Squeeze' || node.op === 'ExpandDims')
    return node.inputs[0];
  return IDENTITY.has(node.op) ? reshapeBehind(view, node.inputs[0]) : null;
}

/**
 * Whether the product takes matrices only, so that its input has rank 2 even where no shape is
 * known.
 */
function isMatrixProduct(view: ShapedView, { product }: Linear): boolean {
  const op = view.producer(product)?.op;
  return op === 'MatMul' || op === '_FusedMatMul';
}

/** Follows rows [samples · tokens, channels] back to the tensor that they were flattened from. */
function rowsOf(view: ShapedView, linears: Linears, start: Ref): { ref: Ref; axes: number } | null {
  const open = [start];
  const seen = new Set<Ref>();
  for (let ref = open.pop(); ref !== undefined; ref = open.pop()) {
    if (seen.has(ref)) continue;
    seen.add(ref);
    const node = view.producer(ref);
    if (node === null) continue;
    const linear = linears.byNode.get(node.name);
    if (linear !== undefined) {
      open.push(canonical(linear.input));
    } else if (node.op === 'Reshape') {
      const found = flattenedRows(view, ref, node.inputs[0]!);
      if (found !== null) return found;
    } else if (keepsRows(view, node)) {
      // only operands that have the rows themselves: a vector, or a single row, is broadcast
      const hasRows = (input: Ref) =>
        view.shapeOf(input)?.length === 2 && view.shapeOf(input)![0] !== 1;
      const operands = dataRefs(node).filter((input) => view.constant(input) === null);
      open.push(...operands.filter(hasRows).map(canonical));
    }
  }
  return null;
}

/** Whether each row of what a node gives comes from the same row of what it reads. */
function keepsRows(view: ShapedView, { op, attrs, inputs }: GraphNode): boolean {
  if (IDENTITY.has(op) || UNARY.has(op) || BINARY.has(op)) return true;
  const integer = (i: number) => view.integers(inputs.at(i))?.[0] ?? 0;
  const isWhole = (mask: string) => (numberAttr(attrs, mask, 0) & 1) === 1;
  switch (op) {
    case 'Split':
      return integer(0) !== 0;
    case 'SplitV':
    case 'ConcatV2':
      return integer(-1) !== 0;
    case 'Slice':
      return view.integers(inputs[2])?.[0] === -1 && integer(1) === 0;
    case 'StridedSlice':
      return isWhole('begin_mask') && isWhole('end_mask');
    default:
      return false;
  }
}

function flattenedRows(view: ShapedView, rows: Ref, from: Ref): { ref: Ref; axes: number } | null {
  const columns = view.shapeOf(rows)?.[1] ?? -1;
  const shape = view.shapeOf(from);
  if (columns < 0 || shape === null) return null;
  const axes = trailingAxes(shape, columns);
  if (axes !== null && shape.length >= axes + 2 && shape[shape.length - axes - 1] !== 1) {
    return { ref: canonical(from), axes };
  }
  const before = reshapeBehind(view, from);
  return before === null ? null : flattenedRows(view, from, before);
}
