import { boolAttr } from '../../graph/attrs.js';
import { plainEinsum } from '../../graph/einsum.js';
import type { GraphNode, Ref } from '../../graph/ir.js';
import { PRODUCTS } from '../../graph/opSets.js';
import type { ShapedView } from '../../shapes/view.js';

/** One side of a product: a tensor, and a label for each of its axes. */
export interface Labelled {
  readonly ref: Ref;
  readonly labels: readonly string[];
}

/**
 * A product of two tensors, as an Einsum would name it; a label that the result lacks is summed
 * over.
 */
export interface LabelledProduct {
  readonly operands: readonly [Labelled, Labelled];
  readonly out: readonly string[];
}

/**
 * Names the axes of a product, however it is written. Null for one that does more, or whose ranks
 * are not known.
 */
export function labelledProduct(view: ShapedView, node: GraphNode): LabelledProduct | null {
  // a bias or an activation would be lost
  const isPlain = node.op === 'Einsum' || node.inputs.length === 2;
  return isPlain ? productLabels(view, node) : null;
}

/** The same, whatever the node does to the product besides. */
export function productLabels(view: ShapedView, node: GraphNode): LabelledProduct | null {
  if (!PRODUCTS.has(node.op)) return null;
  return node.op === 'Einsum' ? fromEquation(view, node) : fromMatMul(view, node);
}

function fromEquation({ shapeOf }: ShapedView, node: GraphNode): LabelledProduct | null {
  const einsum = plainEinsum(node);
  if (einsum === null) return null;
  const { terms, output } = einsum;
  const side = (i: 0 | 1): Labelled => ({ ref: node.inputs[i]!, labels: terms[i] });
  const operands = [side(0), side(1)] as const;
  const fits = operands.every(({ ref, labels }) => shapeOf(ref)?.length === labels.length);
  return fits ? { operands, out: output } : null;
}

function fromMatMul({ shapeOf }: ShapedView, { op, attrs, inputs }: GraphNode) {
  const flags = op.startsWith('Batch') ? ['adj_x', 'adj_y'] : ['transpose_a', 'transpose_b'];
  const ranks = inputs.slice(0, 2).map((ref) => shapeOf(ref)?.length ?? 0);
  if (ranks.some((rank) => rank < 2)) return null;
  const leading = Array.from({ length: Math.max(...ranks) - 2 }, (_, i) => `${i}`);
  const lead = (rank: number) => leading.slice(leading.length - (rank - 2));
  const side = (i: 0 | 1, own: readonly string[]): Labelled => {
    const last = boolAttr(attrs, flags[i]!) ? [...own].reverse() : own;
    return { ref: inputs[i]!, labels: [...lead(ranks[i]!), ...last] };
  };
  return {
    operands: [side(0, ['m', 'k']), side(1, ['k', 'n'])] as const,
    out: [...leading, 'm', 'n'],
  };
}
