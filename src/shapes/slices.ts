import type { Dim, Dims } from '../../ops/numerics/lengths.js';
import { numberAttr } from '../graph/attrs.js';
import { constantIntegers } from '../graph/constants.js';
import type { Graph, GraphNode } from '../graph/ir.js';
import { from0 } from './shapeRules.js';

export function sliced(graph: Graph, { inputs }: GraphNode, shape: Dims | null): Dims | null {
  const begin = constantIntegers(graph, inputs[1]);
  const size = constantIntegers(graph, inputs[2]);
  if (shape === null) return null;
  return shape.map((dim, i) => {
    const wanted = size?.[i] ?? null;
    if (wanted !== -1) return wanted;
    if (begin?.[i] === 0) return dim;
    return typeof dim === 'number' && begin !== null ? dim - begin[i]! : null;
  });
}

/** What a StridedSlice asks of one axis of its input. */
export interface AxisSlice {
  readonly kind: 'take' | 'drop' | 'new';
  readonly begin: number | null; // null: from the end where one starts
  readonly end: number | null;
  readonly stride: number;
}

const WHOLE: AxisSlice = { kind: 'take', begin: null, end: null, stride: 1 };

export function stridedSliced(graph: Graph, node: GraphNode, shape: Dims | null): Dims | null {
  if (shape === null) return null;
  const slices = axisSlices(graph, node, shape.length);
  if (slices === null) return null;
  let axis = 0;
  return slices.flatMap((slice) => {
    if (slice.kind === 'new') return [1];
    const dim = shape[axis++]!;
    return slice.kind === 'drop' ? [] : [slicedDim(dim, slice)];
  });
}

/** The indices that a StridedSlice takes of a vector; null where they are not constant. */
export function slicedVector<T>(graph: Graph, node: GraphNode, values: readonly T[]): T[] | null {
  const [slice] = axisSlices(graph, node, 1) ?? [];
  if (slice === undefined || slice.kind === 'new' || slice.stride !== 1) return null;
  if (Number.isNaN(slice.begin) || (slice.kind === 'take' && Number.isNaN(slice.end))) return null;
  if (slice.kind === 'drop')
    return values.slice(from0(slice.begin ?? 0, values.length)).slice(0, 1);
  return values.slice(slice.begin ?? 0, slice.end ?? undefined);
}

/** For each axis of the input and each new one, in order; null where their number is not known. */
export function axisSlices(
  graph: Graph,
  { attrs, inputs }: GraphNode,
  rank: number,
): AxisSlice[] | null {
  const [begins, ends, strides] = [1, 2, 3].map((i) => constantIntegers(graph, inputs[i]));
  // how many axes are addressed is known from any of the three
  const count = (begins ?? ends ?? strides)?.length;
  if (count === undefined) return null;
  const has = (mask: string, i: number) => ((numberAttr(attrs, mask, 0) >> i) & 1) === 1;
  const made = Array.from({ length: count }, (_, i) => has('new_axis_mask', i));
  const taken = made.filter((isNew) => !isNew).length;
  const slices: AxisSlice[] = [];
  for (let i = 0; i < count; i++) {
    if (has('ellipsis_mask', i)) {
      slices.push(...new Array<AxisSlice>(Math.max(rank - taken + 1, 0)).fill(WHOLE));
      continue;
    }
    const unknown = Number.NaN;
    slices.push({
      kind: made[i] ? 'new' : has('shrink_axis_mask', i) ? 'drop' : 'take',
      begin: has('begin_mask', i) ? null : (begins?.[i] ?? unknown),
      end: has('end_mask', i) ? null : (ends?.[i] ?? unknown),
      stride: strides?.[i] ?? unknown,
    });
  }
  const missing = rank - slices.filter(({ kind }) => kind !== 'new').length;
  return [...slices, ...new Array<AxisSlice>(Math.max(missing, 0)).fill(WHOLE)];
}

function slicedDim(dim: Dim | null, { begin, end, stride }: AxisSlice): Dim | null {
  if ([begin, end, stride].some(Number.isNaN)) return null;
  const whole = end === null && (begin === null || (begin === 0 && stride === 1));
  if (whole && Math.abs(stride) === 1) return dim;
  if (typeof dim !== 'number') return null;
  // backwards, from the last index to before the first
  const [min, max] = stride > 0 ? [0, dim] : [-1, dim - 1];
  const at = (index: number) => Math.min(Math.max(from0(index, dim), min), max);
  const first = begin === null ? (stride > 0 ? min : max) : at(begin);
  const last = end === null ? (stride > 0 ? max : min) : at(end);
  return Math.max(Math.ceil((last - first) / stride), 0);
}
