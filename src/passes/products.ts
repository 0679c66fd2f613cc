import type { Dim } from '../../ops/numerics/lengths.js';
import { type Attrs, attr, boolAttr } from '../graph/attrs.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { GraphNode, Ref } from '../graph/ir.js';
import { findLinears, type Linear } from '../recognize/linears.js';
import type { Match, Pass } from '../recognize/normalize/engine.js';
import { openShape } from '../shapes/dims.js';
import type { ShapedView } from '../shapes/view.js';

/** A product with constant weights that is to be one of two matrices, as they are. */
interface PlainProduct extends Match {
  readonly linear: Linear;
  readonly node: GraphNode;
  readonly weights: 'asIs' | 'reshaped' | 'turned';
  /**
   * Of a product of matrices nothing but the weights changes; of any other, x becomes rows, and the
   * rows get the result's shape, or null: the leading axes of x.
   */
  readonly form: { readonly kind: 'matrices' } | Rows;
}

interface Rows {
  readonly kind: 'rows';
  readonly shape: readonly number[] | null;
}

/**
 * x · W with W constant as an Einsum, a batched or a transposed product ⇒ Reshape → MatMul →
 * Reshape, W turned offline: tfjs's wasm backend multiplies two matrices many times as fast as
 * batches of them, and has no Einsum.
 */
export const productPass: Pass<PlainProduct> = {
  name: 'products',

  match: (view) => findLinears(view).list.flatMap((linear) => matchAt(view, linear) ?? []),

  replace(builder, match) {
    const { at, node, linear, form } = match;
    if (form.kind === 'matrices') {
      const [x, , ...others] = node.inputs as [Ref, Ref, ...Ref[]];
      const inputs = [x, emitWeights(builder, match), ...others];
      builder.node(node.op, at, inputs, { ...node.attrs, ...PLAIN }, at);
      return;
    }
    const { d, input, inputAxes, outputAxes } = linear;
    const rows = builder.rows(`${at}/rows`, input, d);
    const product = builder.matMul(`${at}/product`, rows, emitWeights(builder, match));
    if (form.shape === null) {
      builder.reshapeLike(at, product, input, inputAxes, outputAxes, at);
    } else {
      const shape = builder.integers(`${at}/shape`, form.shape);
      builder.node('Reshape', at, [product, shape], {}, at);
    }
  },
};

const PLAIN: Attrs = { transpose_a: attr.bool(false), transpose_b: attr.bool(false) };

/** [d, n] as the graph has it, or as a weight of its own. */
function emitWeights(builder: GraphBuilder, { at, linear, weights }: PlainProduct): Ref {
  const { d, n } = linear;
  switch (weights) {
    case 'asIs':
      return linear.weights;
    case 'reshaped': {
      const matrix = builder.integers(`${at}/matrix`, [d, n]);
      return builder.node('Reshape', `${at}/weights`, [linear.weights, matrix]);
    }
    case 'turned':
      return builder.constant(`${at}/weights`, [d, n], linear.matrix());
    default:
      return weights satisfies never;
  }
}

function matchAt(view: ShapedView, linear: Linear): PlainProduct | null {
  const node = view.producer(linear.product)!;
  const { op, attrs, name } = node;
  const found = { at: name, replaced: [name], linear, node };
  if (op === 'MatMul' || op === '_FusedMatMul') {
    if (!boolAttr(attrs, 'transpose_b')) return null;
    return { ...found, weights: 'turned', form: { kind: 'matrices' } };
  }
  const dims = view.dimsOf(name);
  const shape = dims === null ? null : openShape(dims);
  // two lengths that only the run knows are copied from x, where they are its leading ones
  if (shape === null && !keepsLeading(view, linear, dims)) return null;
  const isMatrix = view.shapeOf(linear.weights)?.length === 2;
  const weights = !linear.inOrder ? 'turned' : isMatrix ? 'asIs' : 'reshaped';
  return { ...found, weights, form: { kind: 'rows', shape } };
}

function keepsLeading(
  { dimsOf }: ShapedView,
  { input, inputAxes, outputAxes }: Linear,
  dims: readonly Dim[] | null,
): boolean {
  const own = dimsOf(input);
  const leading = own?.slice(0, -inputAxes);
  return dims !== null && `${dims.slice(0, -outputAxes.length)}` === `${leading}`;
}
