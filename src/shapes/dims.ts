import { type Dim, named } from '../../ops/numerics/lengths.js';
import { canonical, type Graph, nodeOf, outputIndexOf, type Ref } from '../graph/ir.js';
import { topologicalOrder } from '../graph/verify.js';
import { lengthName, OP_RULES } from './opRules.js';
import { shapeValues } from './shapeValues.js';

/** A shape as far as it is known before a run: −1 for a dimension that is not. */
export type PartialShape = readonly number[];

/**
 * The lengths of a tensor's axes, those that only the run knows by names that tell which of them
 * are the same; null where not even their number is known.
 */
export type DimsOf = (ref: Ref) => readonly Dim[] | null;

/**
 * Follows lengths from placeholders, weights and attributes through the graph, op by op. What a
 * calibration run observed comes first. An op that there is no rule for has no shape; nothing is
 * ever guessed. A length that no rule tells is named after the tensor and axis that has it.
 */
export function dimsInference(
  graph: Graph,
  observed: ReadonlyMap<Ref, PartialShape> = new Map(),
): DimsOf {
  const known = new Map<Ref, readonly Dim[] | null>();
  const infer = (ref: Ref) => {
    const node = graph.nodes.get(nodeOf(ref));
    const rule = OP_RULES.get(node?.op ?? '');
    if (node === undefined || rule === undefined) return null;
    const at = (i: number) => dimsOf(node.inputs[i]);
    const values = (i: number) => valuesOf(node.inputs[i]);
    return rule({ graph, node, output: outputIndexOf(ref), at, values });
  };
  const dimsOf = (given: Ref | undefined): readonly Dim[] | null => {
    if (given === undefined) return null;
    const ref = canonical(given);
    const seen = known.get(ref);
    if (seen !== undefined) return seen;
    // a loop's back edge finds this and stops
    known.set(ref, null);
    const dims = observed.get(ref) ?? infer(ref);
    const whole = dims?.map((dim, axis) => {
      const isOpen = dim === null || (typeof dim === 'number' && dim < 0);
      return isOpen ? named(lengthName(ref, axis)) : dim;
    });
    known.set(ref, whole ?? null);
    return whole ?? null;
  };
  const valuesOf = shapeValues(graph, dimsOf);
  // inputs first: a deep graph would overflow the stack otherwise
  for (const { name } of topologicalOrder(graph)) dimsOf(name);
  return dimsOf;
}

/** A shape for Reshape, of which the run fills in one length at most; null for more of them. */
export function openShape(dims: readonly Dim[]): number[] | null {
  const open = dims.filter((dim) => typeof dim === 'string').length;
  return open > 1 ? null : numbersOf(dims);
}

/** Numbers, −1 for what only the run knows. */
export function numbersOf(dims: readonly Dim[]): number[] {
  return dims.map((dim) => (typeof dim === 'number' ? dim : -1));
}
