import {
  broadcast as broadcastLengths,
  type Dim,
  type Dims,
  product,
  quotient,
} from '../../ops/numerics/lengths.js';
import type { Einsum } from '../graph/einsum.js';

type MaybeDims = Dims | null;

export function broadcast(a: MaybeDims, b: MaybeDims): MaybeDims {
  if (a === null || b === null) return null;
  const rank = Math.max(a.length, b.length);
  const length = (dims: Dims, i: number) => {
    const axis = i - rank + dims.length;
    return axis < 0 ? 1 : dims[axis]!;
  };
  return Array.from({ length: rank }, (_, i) => broadcastLengths(length(a, i), length(b, i)));
}

/** What several tensors that may take one place have in common. */
export function common(shapes: readonly MaybeDims[]): MaybeDims {
  const [head, ...rest] = shapes;
  if (head === undefined || head === null) return null;
  if (rest.some((shape) => shape?.length !== head.length)) return null;
  return head.map((dim, i) => (rest.every((shape) => shape![i] === dim) ? dim : null));
}

export function reduced(shape: MaybeDims, axes: readonly number[] | null, keep: boolean) {
  if (shape === null || axes === null) return null;
  const hit = new Set(axes.map((axis) => from0(axis, shape.length)));
  if (keep) return shape.map((dim, i) => (hit.has(i) ? 1 : dim));
  return shape.filter((_, i) => !hit.has(i));
}

/** `wanted` may hold −1 for whatever is left; what is left is told of one axis at most. */
export function reshaped(from: MaybeDims, wanted: Dims): Dims {
  const isOpen = (dim: Dim | null) => dim === null || dim === -1;
  const entries = wanted.map((dim) => (isOpen(dim) ? null : dim));
  const others = entries.filter((dim) => dim !== null);
  if (from === null || others.length !== entries.length - 1) return entries;
  const left = quotient(product(from), product(others));
  return entries.map((dim) => dim ?? left);
}

/** [..., rows, columns] of a product of two operands, each transposed or not. */
export function multiplied(
  a: MaybeDims,
  b: MaybeDims,
  transposeA: boolean,
  transposeB: boolean,
): MaybeDims {
  if (a === null || b === null || a.length < 2 || b.length < 2) return null;
  const rows = a[a.length - (transposeA ? 1 : 2)]!;
  const columns = b[b.length - (transposeB ? 2 : 1)]!;
  const batch = broadcast(a.slice(0, -2), b.slice(0, -2));
  return batch === null ? null : [...batch, rows, columns];
}

export function einsum(
  { terms, output, hasEllipsis }: Einsum,
  shapes: readonly MaybeDims[],
): MaybeDims {
  if (output === null || hasEllipsis) return null;
  return output.map((label) => {
    const dims = terms.flatMap((labels, i) =>
      labels.flatMap((each, axis) => (each === label ? [shapes[i]?.[axis] ?? null] : [])),
    );
    return same(dims);
  });
}

/** The length of axes that are equally long: a number where one is known, else any name. */
function same(dims: Dims): Dim | null {
  const numbers = dims.filter((dim) => typeof dim === 'number');
  return numbers.length > 0 ? Math.max(...numbers) : (dims.find((dim) => dim !== null) ?? null);
}

/** A new axis of `size` at `axis`, which counts from the end of the result where it is negative. */
export function expanded(shape: MaybeDims, axis: number | undefined, size = 1): MaybeDims {
  if (shape === null || axis === undefined) return null;
  const at = from0(axis, shape.length + 1);
  return [...shape.slice(0, at), size, ...shape.slice(at)];
}

/** Without axes of length 1: the given ones, or all where none are given. */
export function squeezed(shape: MaybeDims, axes: readonly number[]): MaybeDims {
  if (shape === null) return null;
  if (axes.length === 0) {
    return shape.every((dim) => typeof dim === 'number') ? shape.filter((dim) => dim !== 1) : null;
  }
  return without(shape, axes);
}

export function without(shape: Dims, axes: readonly number[]): Dims {
  const hit = new Set(axes.map((axis) => from0(axis, shape.length)));
  return shape.filter((_, i) => !hit.has(i));
}

export function concatenated(shapes: readonly MaybeDims[], axis: number | undefined): MaybeDims {
  const known = shapes.find((shape) => shape !== null);
  if (known === undefined || known === null || axis === undefined) return null;
  const at = from0(axis, known.length);
  return known.map((_, i) => {
    const dims = shapes.map((shape) => shape?.[i] ?? null);
    if (i !== at) return same(dims);
    return dims.reduce(
      (sum, dim) => (typeof sum === 'number' && typeof dim === 'number' ? sum + dim : null),
      0,
    );
  });
}

/** The dimension at `axis` replaced. */
export function withDim(
  shape: MaybeDims,
  axis: number | undefined,
  dim: (old: Dim | null) => Dim | null,
): MaybeDims {
  if (shape === null || axis === undefined) return null;
  const at = from0(axis, shape.length);
  return shape.map((old, i) => (i === at ? dim(old) : old));
}

export function gathered(
  table: MaybeDims,
  indices: MaybeDims,
  axis: number | undefined,
  batchDims = 0,
): MaybeDims {
  if (table === null || indices === null || axis === undefined) return null;
  const at = from0(axis, table.length);
  const own = indices.slice(from0(batchDims, indices.length));
  return [...table.slice(0, at), ...own, ...table.slice(at + 1)];
}

/** Output `output` of a split into `sizes`, of which one may be −1: what the others leave. */
export function splitSize(
  dim: Dim | null,
  sizes: readonly number[] | null,
  output: number,
): Dim | null {
  const size = sizes?.[output] ?? null;
  if (sizes === null || size !== -1) return size;
  if (typeof dim !== 'number') return null;
  return dim - sizes.reduce((sum, other) => sum + Math.max(other, 0), 0);
}

/** A length with so much before and behind it. */
export function padded(dim: Dim | null, more: number | null): Dim | null {
  if (more === 0) return dim;
  return typeof dim === 'number' && more !== null ? dim + more : null;
}

/** An axis that counts from the end where it is negative. */
export function from0(axis: number, length: number): number {
  return axis < 0 ? axis + length : axis;
}
