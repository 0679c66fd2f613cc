import { boolAttr, stringAttr } from '../graph/attrs.js';
import type { GraphNode } from '../graph/ir.js';
import type { PartialShape } from './shapeRules.js';

/**
 * The shape of a ScaledDotProductAttention: its axes are named by the layouts in its attributes.
 */
export function attentionShape(
  { attrs }: GraphNode,
  operands: readonly (PartialShape | null)[],
): PartialShape | null {
  const layouts = ['qLayout', 'kLayout', 'vLayout'].map((name) => stringAttr(attrs, name));
  const output = stringAttr(attrs, 'outputLayout');
  const fits = layouts.every((layout, i) => layout.length === operands[i]?.length);
  if (output === '' || !fits) return null;
  const length = (operand: number, name: string) => {
    const axis = layouts[operand]!.indexOf(name);
    return axis < 0 ? 1 : operands[operand]![axis]!;
  };
  const inMask = (name: string) => {
    const mask = operands[3];
    if (!boolAttr(attrs, 'hasMask')) return 1;
    return mask == null ? -1 : (mask[mask.length - (name === 'b' ? 4 : 3)] ?? 1);
  };
  return [...output].map((name) => {
    if (name === 't') return length(0, name);
    if (name === 'c') return length(2, name);
    // one sample or head stands for all; an unknown number may be one
    return [...[0, 1, 2].map((operand) => length(operand, name)), inMask(name)].reduce(broadcast);
  });
}

function broadcast(a: number, b: number): number {
  if (a === 1) return b;
  return b === 1 ? a : Math.max(a, b);
}
