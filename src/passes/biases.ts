import { attr, boolAttr } from '../graph/attrs.js';
import type { GraphNode, Ref } from '../graph/ir.js';
import { type FusedActivation, fusedParts } from '../recognize/fusedParts.js';
import type { ShapedView } from '../shapes/view.js';
import type { Match, Pass } from './engine.js';

/** A product whose bias tfjs would add wrongly. */
interface BiasedProduct extends Match {
  readonly a: Ref;
  readonly b: Ref;
  readonly bias: Ref;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly activation: FusedActivation | null;
}

/**
 * _FusedMatMul with a bias, an operand transposed or batched ⇒ MatMul → AddV2 (→ activation):
 * tfjs's wasm backend adds a wrong bias there (docs/tfjs-wasm-bugs.md).
 */
export const biasPass: Pass<BiasedProduct> = {
  name: 'biases',

  match: (view) => view.nodes('_FusedMatMul').flatMap((node) => matchAt(view, node) ?? []),

  replace(builder, { at, a, b, bias, transposeA, transposeB, activation }) {
    const flags = { transpose_a: attr.bool(transposeA), transpose_b: attr.bool(transposeB) };
    const product = builder.node('MatMul', `${at}/product`, [a, b], flags);
    const end = activation === null ? at : null;
    const sum = builder.node('AddV2', `${at}/sum`, [product, bias], {}, end);
    if (activation === null) return;
    const { op, alpha, slopes } = activation;
    const slope = op === 'LeakyRelu' ? { alpha: attr.float(alpha) } : {};
    builder.node(op, at, slopes === null ? [sum] : [sum, slopes], slope, at);
  },
};

function matchAt(view: ShapedView, node: GraphNode): BiasedProduct | null {
  const { name, attrs, inputs } = node;
  const [a, b] = inputs as [Ref, Ref];
  const [transposeA, transposeB] = [boolAttr(attrs, 'transpose_a'), boolAttr(attrs, 'transpose_b')];
  const batched = [a, b].some((ref) => (view.shapeOf(ref)?.length ?? 2) > 2);
  if (!transposeA && !transposeB && !batched) return null;
  const n = view.shapeOf(b)?.at(transposeB ? -2 : -1) ?? -1;
  const parts = fusedParts(view, node, n);
  if (parts === null || parts.bias === null) return null;
  const { activation } = parts;
  const bias = inputs[2]!;
  return { at: name, replaced: [name], a, b, bias, transposeA, transposeB, activation };
}
