import { attr } from '../graph/attrs.js';
import type { GraphNode } from '../graph/ir.js';
import type { Match, Pass } from '../recognize/normalize/engine.js';
import type { ShapedView } from '../shapes/view.js';
import { type AttentionMatch, matchAttention } from './attentionMatch.js';
import { type AttentionOperands, operandsFor } from './attentionOperands.js';
import { emitOperand, layoutAttrs } from './layouts.js';
import { shapesStay } from './shapeReaders.js';

/** An attention that the op computes, with how its operands are read. */
interface FusedAttention extends Match, AttentionOperands, Pick<AttentionMatch, 'mask' | 'scale'> {}

/**
 * … → MatMul → (Mul, RealDiv, Add, Reshape) → Softmax → MatMul → (Transpose) ⇒
 * ScaledDotProductAttention
 */
export const attentionPass: Pass<FusedAttention> = {
  name: 'attention',

  match: (view) => view.nodes('Softmax').flatMap((softmax) => matchAt(view, softmax) ?? []),

  replace(builder, { at, q, k, v, end, mask, scale }) {
    const inputs = [
      emitOperand(builder, `${at}/q`, q),
      emitOperand(builder, `${at}/k`, k),
      emitOperand(builder, `${at}/v`, v),
      ...(mask === null ? [] : [mask]),
    ];
    const attrs = {
      ...layoutAttrs(q, k, v, end.layout),
      scale: attr.float(scale * q.factor * k.factor),
      hasMask: attr.bool(mask !== null),
    };
    const name = end.shape === null ? at : null;
    const y = builder.node('ScaledDotProductAttention', `${at}/attention`, inputs, attrs, name);
    if (end.shape === null) return;
    const shape = builder.integers(`${at}/shape`, end.shape);
    builder.node('Reshape', at, [y, shape], {}, at);
  },
};

function matchAt(view: ShapedView, softmax: GraphNode): FusedAttention | null {
  const match = matchAttention(view, softmax);
  const operands = match === null ? null : operandsFor(view, match);
  if (match === null || operands === null) return null;
  const { at } = operands.end;
  const inside = [...match.inside, match.mix, ...operands.end.inside].filter((name) => name !== at);
  if (!shapesStay(view, inside, at)) return null;
  const { mask, scale } = match;
  return { at, replaced: [at, ...inside], ...operands, mask, scale };
}
