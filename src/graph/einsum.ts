import { stringAttr } from './attrs.js';
import type { GraphNode } from './ir.js';

/** Stands for any number of axes, as in `...ab,bc->...ac`; a label like any other here. */
export const ELLIPSIS = '...';

/** An Einsum equation, taken apart: a label is one letter, or `ELLIPSIS`. */
export interface Einsum {
  /** The equation without its spaces. */
  readonly equation: string;
  /** The labels of each operand, one for each of its axes. */
  readonly terms: readonly (readonly string[])[];
  /** The labels of the result; null where the equation has no arrow and leaves them to a rule. */
  readonly output: readonly string[] | null;
  /** Every label of the operands once, in the order in which they come. */
  readonly labels: readonly string[];
  /** Whether a label stands for any number of axes. */
  readonly hasEllipsis: boolean;
  /** Whether an operand, or the result, has a label twice: a diagonal. */
  readonly hasRepeats: boolean;
}

/** Of two operands, each axis of each with a label of its own, the result's written down. */
export interface PlainEinsum extends Einsum {
  readonly terms: readonly [readonly string[], readonly string[]];
  readonly output: readonly string[];
}

/** Takes an equation apart; what it says of axes is for the caller to compare with shapes. */
export function parseEinsum(equation: string): Einsum {
  const text = equation.replace(/\s/g, '');
  const [left = '', right] = text.split('->');
  const terms = left.split(',').map(labelsOf);
  const output = right === undefined ? null : labelsOf(right);
  return {
    equation: text,
    terms,
    output,
    labels: [...new Set(terms.flat())],
    hasEllipsis: text.includes('.'),
    hasRepeats: [...terms, output ?? []].some((term) => new Set(term).size !== term.length),
  };
}

/** The equation of an Einsum node. */
export function einsumOf({ attrs }: GraphNode): Einsum {
  return parseEinsum(stringAttr(attrs, 'equation'));
}

/** The equation of a product of two tensors; null for one with more to it than their labels. */
export function plainEinsum(node: GraphNode): PlainEinsum | null {
  const einsum = einsumOf(node);
  const { terms, output, labels, hasEllipsis, hasRepeats } = einsum;
  const [first, second, ...others] = terms;
  if (first === undefined || second === undefined || others.length > 0) return null;
  if (output === null || hasEllipsis || hasRepeats) return null;
  const isKnown = output.every((label) => labels.includes(label));
  return isKnown ? { ...einsum, terms: [first, second], output } : null;
}

function labelsOf(term: string): string[] {
  return term.match(/\.{3}|./gu) ?? [];
}
