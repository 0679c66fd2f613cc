import { numberAttr } from './attrs.js';
import { constantIntegers } from './constants.js';
import type { Graph, GraphNode } from './ir.js';
import type { PartialShape, ShapeOf } from './shapes.js';

/** The shape of Slice: what `begin` and `size` say, and of −1 in `size` all that is left. */
export function slicedShape(
  graph: Graph,
  { inputs }: GraphNode,
  shape: PartialShape,
): PartialShape | null {
  const begin = constantIntegers(graph, inputs[1]);
  const size = constantIntegers(graph, inputs[2]);
  return shape.map((dim, axis) => {
    // tfjs takes lists that are shorter than the rank
    const wanted = size === null ? null : (size[axis] ?? -1);
    if (wanted !== -1) return wanted ?? -1;
    const first = begin === null ? null : (begin[axis] ?? 0);
    if (first === 0) return dim;
    return first === null || dim < 0 ? -1 : dim - first;
  });
}

/** The shape of StridedSlice; null where not even the number of its axes is known. */
export function stridedShape(
  graph: Graph,
  { attrs, inputs }: GraphNode,
  shape: PartialShape,
  shapeOf: ShapeOf,
): PartialShape | null {
  const [begin, end, strides] = inputs.slice(1, 4).map((ref) => constantIntegers(graph, ref));
  const terms = (begin ?? end ?? strides)?.length ?? shapeOf(inputs[1] ?? '')?.[0] ?? -1;
  if (terms < 0) return null;
  const has = (mask: string, term: number) => ((numberAttr(attrs, mask, 0) >> term) & 1) === 1;
  const isPlain = (term: number) => !has('ellipsis_mask', term) && !has('new_axis_mask', term);
  const out: number[] = [];
  let axis = 0;
  for (let term = 0; term < terms; term++) {
    if (has('ellipsis_mask', term)) {
      const after = Array.from({ length: terms - term - 1 }, (_, i) => term + 1 + i);
      const stop = shape.length - after.filter(isPlain).length;
      while (axis < stop) out.push(shape[axis++]!);
    } else if (has('new_axis_mask', term)) {
      out.push(1);
    } else {
      const dim = shape[axis++];
      if (dim === undefined) return null;
      if (has('shrink_axis_mask', term)) continue;
      const from = has('begin_mask', term) ? 'all' : (begin?.[term] ?? null);
      const to = has('end_mask', term) ? 'all' : (end?.[term] ?? null);
      out.push(intervalLength(dim, from, to, strides?.[term] ?? null));
    }
  }
  return [...out, ...shape.slice(axis)];
}

/** How many indices [from, to) holds; −1 where that is not known. */
function intervalLength(
  dim: number,
  from: number | 'all' | null,
  to: number | 'all' | null,
  stride: number | null,
): number {
  const whole = (from === 'all' || (from === 0 && stride === 1)) && to === 'all';
  if (whole && (stride === 1 || stride === -1)) return dim;
  if (from === null || to === null || stride === null || dim < 0) return -1;
  const [least, most] = stride > 0 ? [0, dim] : [-1, dim - 1];
  const within = (index: number) => Math.min(Math.max(index, least), most);
  const at = (index: number) => within(index < 0 ? index + dim : index);
  const first = from === 'all' ? (stride > 0 ? least : most) : at(from);
  const last = to === 'all' ? (stride > 0 ? most : least) : at(to);
  return Math.max(Math.ceil((last - first) / stride), 0);
}
