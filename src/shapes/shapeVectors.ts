import { constantIntegers, constantView } from '../graph/constants.js';
import { type Graph, nodeOf, outputIndexOf, type Ref } from '../graph/ir.js';
import { IDENTITY } from '../graph/opSets.js';
import { slicedVector } from './slices.js';

/**
 * An entry of a shape that a graph computes: a number (−1: whatever is left), or axis `axis` of a
 * tensor.
 */
export type ShapeEntry = number | { readonly of: Ref; readonly axis: number };

/**
 * What an integer vector holds, entry by entry; null where that is not known. `rankOf` is the rank
 * of a tensor.
 */
export function shapeVector(
  graph: Graph,
  ref: Ref | undefined,
  rankOf: (ref: Ref) => number | null,
): ShapeEntry[] | null {
  const node = graph.nodes.get(nodeOf(ref ?? ''));
  if (ref === undefined || node === undefined) return null;
  const view = constantView(graph, ref);
  if (view !== null) return view.dtype === 'int32' ? Array.from(view.read()) : null;
  const vector = (i: number) => shapeVector(graph, node.inputs[i], rankOf);
  const { op, inputs } = node;
  if (IDENTITY.has(op) || ['Cast', 'ExpandDims', 'Squeeze', 'Reshape'].includes(op)) {
    return vector(0);
  }
  switch (op) {
    case 'Shape': {
      const of = inputs[0]!;
      const rank = rankOf(of);
      return rank === null ? null : Array.from({ length: rank }, (_, axis) => ({ of, axis }));
    }
    case 'StridedSlice': {
      const values = vector(0);
      return values === null ? null : slicedVector(graph, node, values);
    }
    case 'Gather':
    case 'GatherV2': {
      const values = vector(0);
      const at = constantIntegers(graph, inputs[1]);
      const taken = at?.map((i) => values?.[i]);
      return taken?.every((entry) => entry !== undefined) ? taken : null;
    }
    case 'Unpack': {
      const entry = vector(0)?.[outputIndexOf(ref)];
      return entry === undefined ? null : [entry];
    }
    case 'Pack':
    case 'ConcatV2': {
      const parts = (op === 'Pack' ? inputs : inputs.slice(0, -1)).map((_, i) => vector(i));
      return parts.includes(null) ? null : parts.flatMap((part) => part!);
    }
    default:
      return null;
  }
}
