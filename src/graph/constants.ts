import { type TypedArray, util } from '@tensorflow/tfjs-core';
import { numbersAttr } from './attrs.js';
import { type Graph, type GraphNode, nodeOf, outputIndexOf, type Ref } from './ir.js';
import { IDENTITY } from './opSets.js';

/**
 * A tensor that is the same in every run: a weight, seen through identities, reshapes and
 * transposes.
 */
export interface ConstantView {
  /** The weight it comes from. */
  readonly weight: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Its values in the view's own order. */
  readonly read: () => TypedArray;
}

/** The constant behind a reference, or null where there is none. */
export function constantView(graph: Graph, ref: Ref): ConstantView | null {
  const node = graph.nodes.get(nodeOf(ref));
  if (node === undefined || outputIndexOf(ref) !== 0) return null;
  if (node.op === 'Const') return weightView(graph, node.name);
  const [first, second] = node.inputs;
  if (first === undefined) return null;
  if (IDENTITY.has(node.op)) return constantView(graph, first);
  if (!['Reshape', 'Transpose', 'ExpandDims', 'Squeeze'].includes(node.op)) return null;
  const view = constantView(graph, first);
  return view === null ? null : through(graph, node, view, second);
}

/** The integers of a constant tensor (a shape, a permutation, axes); null where it has others. */
export function constantIntegers(graph: Graph, ref: Ref | undefined): number[] | null {
  if (ref === undefined) return null;
  const values = constantView(graph, ref)?.read();
  if (values === undefined) return null;
  const numbers = Array.from(values);
  return numbers.every(Number.isInteger) ? numbers : null;
}

/** A constant order of `rank` axes, each once; null where it is none, or not known. */
export function constantPermutation(
  graph: Graph,
  ref: Ref | undefined,
  rank: number,
): number[] | null {
  const order = constantIntegers(graph, ref);
  return order !== null && isPermutation(order, rank) ? order : null;
}

function isPermutation(order: readonly number[], rank: number): boolean {
  if (order.length !== rank || new Set(order).size !== rank) return false;
  return order.every((axis) => axis >= 0 && axis < rank);
}

/** The axes that a Squeeze node names, under either name that tfjs reads; none: all of length 1. */
export function squeezedAxes({ attrs }: GraphNode): number[] {
  return numbersAttr(attrs, attrs.axis === undefined ? 'squeeze_dims' : 'axis');
}

function weightView(graph: Graph, name: string): ConstantView | null {
  const weight = graph.weights.get(name);
  if (weight === undefined) return null;
  const { shape, dtype } = weight.spec;
  // complex values come as pairs, which no view counts in
  if (dtype === 'string' || dtype === 'complex64') return null;
  return { weight: name, dtype, shape, read: () => weight.values() as TypedArray };
}

function through(
  graph: Graph,
  node: GraphNode,
  view: ConstantView,
  second: Ref | undefined,
): ConstantView | null {
  if (node.op === 'Squeeze') {
    const axes = squeezedAxes(node).map((a) => (a < 0 ? a + view.shape.length : a));
    const drop = (dim: number, axis: number) =>
      dim === 1 && (axes.length === 0 || axes.includes(axis));
    return { ...view, shape: view.shape.filter((dim, axis) => !drop(dim, axis)) };
  }
  const integers = constantIntegers(graph, second);
  if (integers === null) return null;
  if (node.op === 'Reshape') {
    const size = util.sizeFromShape([...view.shape]);
    const known = integers.reduce((product, dim) => (dim === -1 ? product : product * dim), 1);
    if (integers.includes(-1) && known === 0) return null;
    const shape = integers.map((dim) => (dim === -1 ? size / known : dim));
    const fits = shape.every((dim) => Number.isInteger(dim) && dim >= 0);
    return fits && util.sizeFromShape(shape) === size ? { ...view, shape } : null;
  }
  if (node.op === 'ExpandDims') {
    const axis = integers[0]! < 0 ? integers[0]! + view.shape.length + 1 : integers[0]!;
    return { ...view, shape: [...view.shape.slice(0, axis), 1, ...view.shape.slice(axis)] };
  }
  return isPermutation(integers, view.shape.length) ? permuted(view, integers) : null;
}

/** A view with its axes in another order: axis i of the result is axis `order[i]` of the view. */
export function permuted(view: ConstantView, order: readonly number[]): ConstantView {
  const shape = order.map((axis) => view.shape[axis]!);
  if (order.every((axis, i) => axis === i)) return view;
  const strides = order.map((axis) => util.sizeFromShape(view.shape.slice(axis + 1)));
  const read = () => {
    const values = view.read();
    const out = values.slice() as TypedArray;
    const index = new Array<number>(shape.length).fill(0);
    for (let at = 0, from = 0; at < out.length; at++) {
      out[at] = values[from]!;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        index[axis]!++;
        from += strides[axis]!;
        if (index[axis]! < shape[axis]!) break;
        from -= strides[axis]! * shape[axis]!;
        index[axis] = 0;
      }
    }
    return out;
  };
  return { ...view, shape, read };
}
