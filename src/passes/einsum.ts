import { attr } from '../graph/attrs.js';
import type { GraphNode, Ref } from '../graph/ir.js';
import { type Dim, openShape, product } from '../shapes/lengths.js';
import { type Labelled, labelledProduct } from './labels.js';
import type { FuseContext, Pass, Replacement } from './pass.js';

/**
 * Einsum of two computed tensors ⇒ (Transpose → Reshape) each → BatchMatMulV2 → (Reshape →
 * Transpose)
 */
export const einsumPass: Pass = {
  name: 'einsums',
  find: (context) =>
    [...context.graph.nodes.values()]
      .filter(({ op }) => op === 'Einsum')
      .flatMap((node) => lowerEinsum(context, node) ?? []),
};

/** The labels of a product by what becomes of them. */
interface Groups {
  readonly batch: readonly string[]; // in both operands and in the result
  readonly rows: readonly string[]; // of the first operand
  readonly inner: readonly string[]; // summed over
  readonly columns: readonly string[]; // of the second operand
}

function lowerEinsum(context: FuseContext, node: GraphNode): Replacement | null {
  const { builder } = context;
  const match = labelledProduct(context, node);
  const sizes = match === null ? null : sizesOf(context, match.operands);
  if (match === null || sizes === null) return null;
  const [a, b] = match.operands;
  const groups = groupsOf(a.labels, b.labels, match.out);
  if (groups === null) return null;
  const { batch, rows, inner, columns } = groups;
  const shapes = [
    matrixShape(sizes, batch, rows, inner),
    matrixShape(sizes, batch, inner, columns),
    openShape([...batch, ...rows, ...columns].map((label) => sizes.get(label)!)),
  ];
  const [left, right, result] = shapes;
  if (left == null || right == null || result == null) return null;
  const { name } = node;
  const x = arrange(context, `${name}/a`, a, [...batch, ...rows, ...inner], left);
  const y = arrange(context, `${name}/b`, b, [...batch, ...inner, ...columns], right);
  const flags = { adj_x: attr.bool(false), adj_y: attr.bool(false) };
  const made = builder.node('BatchMatMulV2', `${name}/product`, [x, y], flags);
  const shape = builder.integers(`${name}/shape`, result);
  const order = match.out.map((label) => [...batch, ...rows, ...columns].indexOf(label));
  const isOrdered = order.every((axis, i) => axis === i);
  const shaped = builder.node(
    'Reshape',
    `${name}/split`,
    [made, shape],
    {},
    isOrdered ? name : null,
  );
  if (!isOrdered) {
    const perm = builder.integers(`${name}/order`, order);
    builder.node('Transpose', name, [shaped, perm], {}, name);
  }
  return { at: name, inside: [], nodes: builder.take() };
}

/** The length of each label; null where a label has several: tfjs may broadcast there. */
function sizesOf(
  { dimsOf }: FuseContext,
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

function arrange(
  { builder }: FuseContext,
  name: string,
  { ref, labels }: Labelled,
  wanted: readonly string[],
  shape: readonly number[],
): Ref {
  const order = wanted.map((label) => labels.indexOf(label));
  const isOrdered = order.every((axis, i) => axis === i);
  const transposed = isOrdered
    ? ref
    : builder.node('Transpose', `${name}/turn`, [ref, builder.integers(`${name}/order`, order)]);
  return builder.node('Reshape', name, [transposed, builder.integers(`${name}/shape`, shape)]);
}
