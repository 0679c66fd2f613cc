import { attr, boolAttr } from '../graph/attrs.js';
import type { GraphNode, Ref } from '../graph/ir.js';
import { fusedParts } from '../recognize/fusedParts.js';
import type { FuseContext, Pass, Replacement } from './pass.js';

/**
 * _FusedMatMul with a bias, an operand transposed or batched ⇒ MatMul → AddV2 (→ activation):
 * tfjs's wasm backend adds a wrong bias there (docs/tfjs-wasm-bugs.md).
 */
export const biasPass: Pass = {
  name: 'biases',
  find: (context) =>
    [...context.graph.nodes.values()]
      .filter(({ op }) => op === '_FusedMatMul')
      .flatMap((node) => splitBias(context, node) ?? []),
};

function splitBias(context: FuseContext, node: GraphNode): Replacement | null {
  const { builder, shapeOf } = context;
  const { name, attrs, inputs } = node;
  const [a, b] = inputs as [Ref, Ref];
  const transposed = ['transpose_a', 'transpose_b'].map((flag) => boolAttr(attrs, flag));
  const batched = [a, b].some((ref) => (shapeOf(ref)?.length ?? 2) > 2);
  if (!transposed.includes(true) && !batched) return null;
  const n = shapeOf(b)?.at(transposed[1] ? -2 : -1) ?? -1;
  const parts = fusedParts(context, node, n);
  if (parts === null || parts.bias === null) return null;
  const flags = { transpose_a: attr.bool(transposed[0]!), transpose_b: attr.bool(transposed[1]!) };
  const product = builder.node('MatMul', `${name}/product`, [a, b], flags);
  const { activation } = parts;
  const isLast = activation === null;
  const sum = builder.node('AddV2', `${name}/sum`, [product, inputs[2]!], {}, isLast ? name : null);
  if (!isLast) {
    const { op, alpha, slopes } = activation;
    const slope = op === 'LeakyRelu' ? { alpha: attr.float(alpha) } : {};
    builder.node(op, name, slopes === null ? [sum] : [sum, slopes], slope, name);
  }
  return { at: name, inside: [], nodes: builder.take() };
}
