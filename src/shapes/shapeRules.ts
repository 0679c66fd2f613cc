import { boolAttr } from '../graph/attrs.js';
import { constantIntegers } from '../graph/constants.js';
import { parseEinsum } from '../graph/einsum.js';
import type { Graph, GraphNode } from '../graph/ir.js';

/** A shape as far as it is known before a run: −1 for a dimension that is not. */
export type PartialShape = readonly number[];

type MaybeShape = PartialShape | null;

/** Broadcasting of partial shapes: an unknown dimension against 1 stays unknown, against n is n. */
export function broadcast(a: MaybeShape, b: MaybeShape): MaybeShape {
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

/** What several tensors that may take one place have in common. */
export function common(shapes: readonly MaybeShape[]): MaybeShape {
  const [head, ...rest] = shapes;
  if (head === undefined || head === null) return null;
  if (rest.some((shape) => shape?.length !== head.length)) return null;
  return head.map((dim, i) => (rest.every((shape) => shape![i] === dim) ? dim : -1));
}

export function reduced(graph: Graph, { attrs, inputs }: GraphNode, shape: MaybeShape): MaybeShape {
  const axes = constantIntegers(graph, inputs[1]);
  if (shape === null || axes === null) return null;
  const hit = new Set(axes.map((axis) => from0(axis, shape.length)));
  if (boolAttr(attrs, 'keep_dims')) return shape.map((dim, i) => (hit.has(i) ? 1 : dim));
  return shape.filter((_, i) => !hit.has(i));
}

/** `wanted` may hold one −1 for whatever is left, and others for what is not known. */
export function reshaped(from: MaybeShape, wanted: PartialShape): PartialShape {
  if (wanted.filter((dim) => dim < 0).length !== 1 || from === null) return wanted;
  if (from.some((dim) => dim < 0)) return wanted;
  const known = wanted.reduce((all, dim) => (dim < 0 ? all : all * dim), 1);
  const size = from.reduce((all, dim) => all * dim, 1);
  return wanted.map((dim) => (dim < 0 ? size / known : dim));
}

export function product(
  { attrs }: GraphNode,
  a: MaybeShape,
  b: MaybeShape,
  transposeA: string,
  transposeB: string,
): MaybeShape {
  if (a === null || b === null || a.length < 2 || b.length < 2) return null;
  const rows = boolAttr(attrs, transposeA) ? a[a.length - 1]! : a[a.length - 2]!;
  const columns = boolAttr(attrs, transposeB) ? b[b.length - 2]! : b[b.length - 1]!;
  const batch = broadcast(a.slice(0, -2), b.slice(0, -2));
  return batch === null ? null : [...batch, rows, columns];
}

export function einsum(equation: string, shapes: readonly MaybeShape[]): MaybeShape {
  const { terms, output, hasEllipsis } = parseEinsum(equation);
  if (output === null || hasEllipsis) return null;
  const sizes = new Map<string, number>();
  terms.forEach((labels, i) => {
    labels.forEach((label, axis) => {
      const dim = shapes[i]?.[axis] ?? -1;
      if (dim >= 0 || !sizes.has(label)) sizes.set(label, dim);
    });
  });
  return output.map((label) => sizes.get(label) ?? -1);
}

/** A new axis of `size` at `axis`, which counts from the end of the result where it is negative. */
export function expanded(shape: MaybeShape, axis: number | undefined, size = 1): MaybeShape {
  if (shape === null || axis === undefined) return null;
  const at = from0(axis, shape.length + 1);
  return [...shape.slice(0, at), size, ...shape.slice(at)];
}

export function squeezed(shape: MaybeShape, axes: readonly number[]): MaybeShape {
  if (shape === null || (axes.length === 0 && shape.includes(-1))) return null;
  const hit = new Set(axes.map((axis) => from0(axis, shape.length)));
  return shape.filter((dim, i) => (axes.length === 0 ? dim !== 1 : !hit.has(i)));
}

export function concatenated(shapes: readonly MaybeShape[], axis: number | undefined): MaybeShape {
  const known = shapes.find((shape) => shape !== null);
  if (known === undefined || known === null || axis === undefined) return null;
  const at = from0(axis, known.length);
  return known.map((_, i) => {
    const dims = shapes.map((shape) => shape?.[i] ?? -1);
    if (i !== at) return Math.max(...dims);
    return dims.includes(-1) ? -1 : dims.reduce((sum, dim) => sum + dim, 0);
  });
}

/** The dimension at `axis` replaced. */
export function withDim(
  shape: MaybeShape,
  axis: number | undefined,
  dim: (old: number) => number,
): MaybeShape {
  if (shape === null || axis === undefined) return null;
  const at = from0(axis, shape.length);
  return shape.map((old, i) => (i === at ? dim(old) : old));
}

export function gathered(
  table: MaybeShape,
  indices: MaybeShape,
  axis: number | undefined,
  batchDims = 0,
): MaybeShape {
  if (table === null || indices === null || axis === undefined) return null;
  const at = from0(axis, table.length);
  const own = indices.slice(from0(batchDims, indices.length));
  return [...table.slice(0, at), ...own, ...table.slice(at + 1)];
}

/** Output `output` of a split into `sizes`, of which one may be −1: what the others leave. */
export function splitSize(dim: number, sizes: readonly number[] | null, output: number): number {
  const size = sizes?.[output] ?? -1;
  if (sizes === null || size !== -1 || dim < 0) return size;
  return dim - sizes.reduce((sum, other) => sum + Math.max(other, 0), 0);
}

/** An axis that counts from the end where it is negative. */
export function from0(axis: number, length: number): number {
  return axis < 0 ? axis + length : axis;
}
