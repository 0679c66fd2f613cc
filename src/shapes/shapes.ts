import type { Graph, Ref } from '../graph/ir.js';
import { type DimsOf, dimsInference, numbersOf, type PartialShape } from './dims.js';

export type { PartialShape } from './dims.js';

/** What shape a tensor has, or null where not even its rank is known. */
export type ShapeOf = (ref: Ref) => PartialShape | null;

/** The shapes before a run, see `dimsInference`. */
export function shapeInference(
  graph: Graph,
  observed: ReadonlyMap<Ref, PartialShape> = new Map(),
): ShapeOf {
  return shapesOf(dimsInference(graph, observed));
}

/** Lengths read as numbers, −1 for one that only the run knows. */
export function shapesOf(dimsOf: DimsOf): ShapeOf {
  return (ref) => {
    const dims = dimsOf(ref);
    return dims === null ? null : numbersOf(dims);
  };
}
