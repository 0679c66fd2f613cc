import { type Dim, type Dims, product } from '../../ops/numerics/lengths.js';
import { constantIntegers, constantView } from '../graph/constants.js';
import { type Graph, type GraphNode, nodeOf, outputIndexOf, type Ref } from '../graph/ir.js';
import { IDENTITY } from '../graph/opSets.js';
import { from0 } from './shapeRules.js';
import { slicedVector } from './slices.js';

/** Longer vectors are no shapes. */
const MAX_LENGTH = 16;

/**
 * What an integer scalar or vector holds as far as it is known: numbers, lengths of tensors' axes,
 * null for what is neither; null for its length unknown. A constant −1 is one, as Reshape reads it.
 */
export type ValuesOf = (ref: Ref | undefined) => Dims | null;

/**
 * Follows shapes that a graph computes, as Keras does: Shape → StridedSlice, Gather, Prod → Pack,
 * Concat.
 */
export function shapeValues(graph: Graph, dimsOf: (ref: Ref) => Dims | null): ValuesOf {
  const valuesOf: ValuesOf = (ref) => {
    const node = graph.nodes.get(nodeOf(ref ?? ''));
    if (ref === undefined || node === undefined) return null;
    const view = constantView(graph, ref);
    if (view !== null) {
      const size = view.shape.reduce((a, b) => a * b, 1);
      return view.dtype === 'int32' && size <= MAX_LENGTH ? Array.from(view.read()) : null;
    }
    const known = computed(graph, node, outputIndexOf(ref), valuesOf, dimsOf);
    if (known !== null) return known;
    const dims = dimsOf(ref);
    const length = dims?.length === 1 ? dims[0] : null;
    return typeof length === 'number' && length <= MAX_LENGTH ? new Array(length).fill(null) : null;
  };
  return valuesOf;
}

function computed(
  graph: Graph,
  node: GraphNode,
  output: number,
  valuesOf: ValuesOf,
  dimsOf: (ref: Ref) => Dims | null,
): Dims | null {
  const { op, inputs } = node;
  const first = () => valuesOf(inputs[0]);
  if (IDENTITY.has(op)) return first();
  switch (op) {
    case 'Shape':
      return inputs[0] === undefined ? null : dimsOf(inputs[0]);
    case 'Cast':
    case 'Reshape':
    case 'ExpandDims':
    case 'Squeeze':
      return first();
    case 'StridedSlice': {
      const values = first();
      return values === null ? null : slicedVector(graph, node, values);
    }
    case 'Gather':
    case 'GatherV2': {
      const values = first();
      const at = constantIntegers(graph, inputs[1]);
      if (values === null || at === null) return null;
      return at.map((i) => values[from0(i, values.length)] ?? null);
    }
    case 'Unpack':
      return first()?.slice(output, output + 1) ?? null;
    case 'Pack':
      return inputs.map((ref) => valuesOf(ref)?.[0] ?? null);
    case 'ConcatV2': {
      const parts = inputs.slice(0, -1).map(valuesOf);
      return parts.some((part) => part === null) ? null : parts.flatMap((part) => part!);
    }
    case 'Prod': {
      const values = first();
      return values === null ? null : [values.reduce(times, 1)];
    }
    case 'Mul':
      return elementwise(first(), valuesOf(inputs[1]), times);
    default:
      return null;
  }
}

function times(a: Dim | null, b: Dim | null): Dim | null {
  const isNegative = [a, b].some((dim) => typeof dim === 'number' && dim < 0);
  return isNegative ? null : product([a, b]);
}

function elementwise(
  a: Dims | null,
  b: Dims | null,
  combine: (a: Dim | null, b: Dim | null) => Dim | null,
): Dims | null {
  if (a === null || b === null) return null;
  if (a.length !== b.length && a.length !== 1 && b.length !== 1) return null;
  const length = Math.max(a.length, b.length);
  const at = (values: Dims, i: number) => values[values.length === 1 ? 0 : i]!;
  return Array.from({ length }, (_, i) => combine(at(a, i), at(b, i)));
}
