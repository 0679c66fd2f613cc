import { constantIntegers, constantView } from '../graph/constants.js';
import { type Graph, type GraphNode, nodeOf, outputIndexOf, type Ref } from '../graph/ir.js';
import { IDENTITY } from '../graph/opSets.js';
import type { PartialShape } from './shapeRules.js';
import { slicedVector } from './slices.js';

/** Longer vectors are no shapes. */
const MAX_LENGTH = 16;

/**
 * What an integer scalar or vector holds as far as it is known, −1 for what is not; null for its
 * length unknown.
 */
export type ValuesOf = (ref: Ref | undefined) => readonly number[] | null;

/**
 * Follows shapes that a graph computes, as Keras does: Shape → StridedSlice, Gather, Prod → Pack,
 * Concat.
 */
export function shapeValues(graph: Graph, shapeOf: (ref: Ref) => PartialShape | null): ValuesOf {
  const valuesOf: ValuesOf = (ref) => {
    const node = graph.nodes.get(nodeOf(ref ?? ''));
    if (ref === undefined || node === undefined) return null;
    const view = constantView(graph, ref);
    if (view !== null) {
      const size = view.shape.reduce((a, b) => a * b, 1);
      return view.dtype === 'int32' && size <= MAX_LENGTH ? Array.from(view.read()) : null;
    }
    const known = computed(graph, node, outputIndexOf(ref), valuesOf, shapeOf);
    if (known !== null) return known;
    const shape = shapeOf(ref);
    const length = shape?.length === 1 ? shape[0]! : -1;
    return length >= 0 && length <= MAX_LENGTH ? new Array<number>(length).fill(-1) : null;
  };
  return valuesOf;
}

function computed(
  graph: Graph,
  node: GraphNode,
  output: number,
  valuesOf: ValuesOf,
  shapeOf: (ref: Ref) => PartialShape | null,
): readonly number[] | null {
  const { op, inputs } = node;
  const first = () => valuesOf(inputs[0]);
  if (IDENTITY.has(op)) return first();
  switch (op) {
    case 'Shape':
      return inputs[0] === undefined ? null : shapeOf(inputs[0]);
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
      return at.map((i) => values[i < 0 ? i + values.length : i] ?? -1);
    }
    case 'Unpack':
      return first()?.slice(output, output + 1) ?? null;
    case 'Pack':
      return inputs.map((ref) => valuesOf(ref)?.[0] ?? -1);
    case 'ConcatV2': {
      const parts = inputs.slice(0, -1).map(valuesOf);
      return parts.some((part) => part === null) ? null : parts.flatMap((part) => part!);
    }
    case 'Prod':
      return first() === null ? null : [first()!.reduce(times, 1)];
    case 'Mul':
      return elementwise(first(), valuesOf(inputs[1]), times);
    default:
      return null;
  }
}

function times(a: number, b: number): number {
  return a < 0 || b < 0 ? -1 : a * b;
}

function elementwise(
  a: readonly number[] | null,
  b: readonly number[] | null,
  combine: (a: number, b: number) => number,
): number[] | null {
  if (a === null || b === null) return null;
  if (a.length !== b.length && a.length !== 1 && b.length !== 1) return null;
  const length = Math.max(a.length, b.length);
  return Array.from({ length }, (_, i) => combine(a[i] ?? a[0]!, b[i] ?? b[0]!));
}
