import { type Attrs, attr, boolAttr } from '../graph/attrs.js';
import type { GraphNode, Ref } from '../graph/ir.js';
import { findLinears, type Linear } from '../recognize/linears.js';
import { type Dim, openShape } from '../shapes/lengths.js';
import type { FuseContext, Pass, Replacement } from './pass.js';

/**
 * x · W with W constant as an Einsum, a batched or a transposed product ⇒ Reshape → MatMul →
 * Reshape, W turned offline: tfjs's wasm backend multiplies two matrices many times as fast as
 * batches of them, and has no Einsum.
 */
export const productPass: Pass = {
  name: 'products',
  find: (context) =>
    findLinears(context).list.flatMap((linear) => replaceProduct(context, linear) ?? []),
};

const PLAIN: Attrs = { transpose_a: attr.bool(false), transpose_b: attr.bool(false) };

function replaceProduct(context: FuseContext, linear: Linear): Replacement | null {
  const { graph, builder } = context;
  const node = graph.nodes.get(linear.product)!;
  const at = node.name;
  const replaced = (): Replacement => ({ at, inside: [], nodes: builder.take() });
  if (node.op === 'MatMul' || node.op === '_FusedMatMul') {
    if (!boolAttr(node.attrs, 'transpose_b')) return null;
    const [x, , ...others] = node.inputs as [Ref, Ref, ...Ref[]];
    const inputs = [x, weightsOf(context, at, linear), ...others];
    builder.node(node.op, at, inputs, { ...node.attrs, ...PLAIN }, at);
    return replaced();
  }
  const dims = context.dimsOf(at);
  const shape = dims === null ? null : openShape(dims);
  const { d, inputAxes, outputAxes } = linear;
  // two lengths that only the run knows are copied from x, where they are its leading ones
  if (shape === null && !keepsLeading(context, linear, dims)) return null;
  const rows = builder.rows(`${at}/rows`, linear.input, d);
  const weights = weightsOf(context, at, linear);
  const product = builder.node('MatMul', `${at}/product`, [rows, weights], PLAIN);
  if (shape === null) builder.reshapeLike(at, product, linear.input, inputAxes, outputAxes, at);
  else {
    const wanted = builder.integers(`${at}/shape`, shape);
    builder.node('Reshape', at, [product, wanted], {}, at);
  }
  return replaced();
}

/** [d, n] as the graph has it, or as a weight of its own. */
function weightsOf(context: FuseContext, at: string, linear: Linear): Ref {
  const { graph, builder } = context;
  const { d, n, product } = linear;
  const { op, attrs, inputs } = graph.nodes.get(product) as GraphNode;
  const isPlain = op.startsWith('Batch') && !boolAttr(attrs, 'adj_y');
  const shape = context.shapeOf(inputs[1]!);
  if (isPlain && shape?.length === 2) return inputs[1]!;
  if (isPlain) {
    const matrix = builder.integers(`${at}/matrix`, [d, n]);
    return builder.node('Reshape', `${at}/weights`, [inputs[1]!, matrix]);
  }
  return builder.constant(`${at}/weights`, [d, n], linear.matrix());
}

function keepsLeading(
  { dimsOf }: FuseContext,
  { input, inputAxes, outputAxes }: Linear,
  dims: readonly Dim[] | null,
): boolean {
  const own = dimsOf(input);
  const leading = own?.slice(0, -inputAxes);
  return dims !== null && `${dims.slice(0, -outputAxes.length)}` === `${leading}`;
}
