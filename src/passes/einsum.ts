import { type Dim, product } from '../../ops/numerics/lengths.js';
import { attr } from '../graph/attrs.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { GraphNode, Ref } from '../graph/ir.js';
import { type Labelled, labelledProduct } from '../recognize/axes/labels.js';
import type { Match, Pass } from '../recognize/normalize/engine.js';
import { openShape } from '../shapes/dims.js';
import type { ShapedView } from '../shapes/view.js';

/** A tensor as matrices: its axes in another order, then in a shape. */
interface Arranged {
  readonly ref: Ref;
  /** Null: as they are. */
  readonly order: readonly number[] | null;
  readonly shape: readonly number[];
}

/** An Einsum as a product of matrices. */
interface LoweredEinsum extends Match {
  readonly a: Arranged;
  readonly b: Arranged;
  /** What the product's axes become, and the order in which the Einsum has them. */
  readonly shape: readonly number[];
  readonly order: readonly number[] | null;
}

/**
 * Einsum of two computed tensors ⇒ (Transpose → Reshape) each → BatchMatMulV2 → (Reshape →
 * Transpose)
 */
export const einsumPass: Pass<LoweredEinsum> = {
  name: 'einsums',

  match: (view) => view.nodes('Einsum').flatMap((node) => matchAt(view, node) ?? []),

  replace(builder, { at, a, b, shape, order }) {
    const x = arrange(builder, `${at}/a`, a);
    const y = arrange(builder, `${at}/b`, b);
    const flags = { adj_x: attr.bool(false), adj_y: attr.bool(false) };
    const made = builder.node('BatchMatMulV2', `${at}/product`, [x, y], flags);
    const split = builder.integers(`${at}/shape`, shape);
    const end = order === null ? at : null;
    const shaped = builder.node('Reshape', `${at}/split`, [made, split], {}, end);
    if (order === null) return;
    const perm = builder.integers(`${at}/order`, order);
    builder.node('Transpose', at, [shaped, perm], {}, at);
  },
};

function arrange(builder: GraphBuilder, name: string, { ref, order, shape }: Arranged): Ref {
  const turned = (by: readonly number[]) =>
    builder.node('Transpose', `${name}/turn`, [ref, builder.integers(`${name}/order`, by)]);
  const transposed = order === null ? ref : turned(order);
  return builder.node('Reshape', name, [transposed, builder.integers(`${name}/shape`, shape)]);
}

/** The labels of a product by what becomes of them. */
interface Groups {
  readonly batch: readonly string[]; // in both operands and in the result
  readonly rows: readonly string[]; // of the first operand
  readonly inner: readonly string[]; // summed over
  readonly columns: readonly string[]; // of the second operand
}

function matchAt(view: ShapedView, node: GraphNode): LoweredEinsum | null {
  const match = labelledProduct(view, node);
  const sizes = match === null ? null : sizesOf(view, match.operands);
  if (match === null || sizes === null) return null;
  const [a, b] = match.operands;
  const groups = groupsOf(a.labels, b.labels, match.out);
  if (groups === null) return null;
  const { batch, rows, inner, columns } = groups;
  const left = matrixShape(sizes, batch, rows, inner);
  const right = matrixShape(sizes, batch, inner, columns);
  const result = [...batch, ...rows, ...columns];
  const shape = openShape(result.map((label) => sizes.get(label)!));
  if (left === null || right === null || shape === null) return null;
  return {
    at: node.name,
    replaced: [node.name],
    a: { ref: a.ref, order: orderOf(a.labels, [...batch, ...rows, ...inner]), shape: left },
    b: { ref: b.ref, order: orderOf(b.labels, [...batch, ...inner, ...columns]), shape: right },
    shape,
    order: orderOf(result, match.out),
  };
}

/** Where the wanted labels are; null where they are in this order already. */
function orderOf(labels: readonly string[], wanted: readonly string[]): number[] | null {
  const order = wanted.map((label) => labels.indexOf(label));
  return order.every((axis, i) => axis === i) ? null : order;
}

/** The length of each label; null where a label has several: tfjs may broadcast there. */
function sizesOf(
  { dimsOf }: ShapedView,
  operands: readonly Labelled[],
): ReadonlyMap<string, Dim> | null {
  const sizes = new Map<string, Dim>();
  for (const { ref, labels } of operands) {
    for (const [i, label] of labels.entries()) {
      const dim = dimsOf(ref)![i]!;
      const known = sizes.get(label) ?? dim;
      if (typeof known === 'number' && typeof dim === 'number' && known !== dim) return null;
      // what one operand knows of a length is so in the other too
      sizes.set(label, typeof known === 'number' ? known : dim);
    }
  }
  return sizes;
}

/** Null where a label is summed within one operand. */
function groupsOf(
  a: readonly string[],
  b: readonly string[],
  out: readonly string[],
): Groups | null {
  const isBatch = (label: string) => b.includes(label) && out.includes(label);
  const batch = a.filter(isBatch);
  const inner = a.filter((label) => b.includes(label) && !out.includes(label));
  const rows = a.filter((label) => !b.includes(label));
  const columns = b.filter((label) => !a.includes(label));
  const isLost = [...rows, ...columns].some((label) => !out.includes(label));
  return isLost ? null : { batch, rows, inner, columns };
}

/** [batch…, first, second], each of the last two a product. */
function matrixShape(
  sizes: ReadonlyMap<string, Dim>,
  batch: readonly string[],
  first: readonly string[],
  second: readonly string[],
): number[] | null {
  const dims = (labels: readonly string[]) => labels.map((label) => sizes.get(label)!);
  return openShape([...dims(batch), product(dims(first)), product(dims(second))]);
}
