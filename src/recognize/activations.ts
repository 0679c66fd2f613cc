import { activateNumber } from '../../ops/quantizedMatMul/activations.js';
import { ACTIVATIONS } from '../../ops/quantizedMatMul/checks.js';
import type { Activation } from '../../ops/quantizedMatMul/contract.js';
import { type GraphNode, nodeOf, outputIndexOf, type Ref } from '../graph/ir.js';
import { IDENTITY } from '../graph/opSets.js';
import type { ShapedView } from '../shapes/view.js';
import { elementwise, GRID } from './elementwise.js';
import type { Linear } from './linears.js';

/** An activation spelled out behind a linear, which nothing else of the linear's value reaches. */
export interface ActivationBehind {
  readonly activation: Activation;
  /** Reshapes between the linear and the activation, in order. */
  readonly path: readonly GraphNode[];
  /** The nodes that spell it out. */
  readonly nodes: readonly GraphNode[];
  /** The node whose value the activation is. */
  readonly output: string;
}

/** Nodes of a spelled-out activation at most: GELU by tanh has nine. */
const MOST_NODES = 16;

/**
 * The activation behind a linear, whatever ops it is written in: what is elementwise behind the
 * linear is evaluated on numbers, and compared with the activations that there are.
 */
export function activationBehind(view: ShapedView, linear: Linear): ActivationBehind | null {
  if (linear.activation !== null || view.mustStay(linear.name)) return null;
  const path = reshapesFrom(view, linear.name);
  const from = path.at(-1)?.name ?? linear.name;
  const values = elementwiseFrom(view, from);
  for (const [output, value] of values) {
    if (output === from) continue;
    const activation = ACTIVATIONS.find((known) => known !== 'none' && isActivation(value, known));
    const nodes = activation === undefined ? null : closed(view, from, output, values);
    if (activation !== undefined && nodes !== null) return { activation, path, nodes, output };
  }
  return null;
}

/**
 * The reshapes that a value goes through before anything else, each the only reader of the one
 * before.
 */
function reshapesFrom(view: ShapedView, name: string): GraphNode[] {
  const path: GraphNode[] = [];
  for (let at = name; ; ) {
    const readers = view.readers(at);
    const [reader] = readers;
    if (reader === undefined || readers.length !== 1 || view.mustStay(reader.name)) return path;
    const shapes = ['Reshape', 'ExpandDims', 'Squeeze'].includes(reader.op);
    const reads = reader.inputs.filter((ref) => nodeOf(ref) === at);
    if (!(shapes || IDENTITY.has(reader.op)) || reads.length !== 1) return path;
    if (nodeOf(reader.inputs[0]!) !== at) return path;
    path.push(reader);
    at = reader.name;
  }
}

/** Values of nodes on the grid. */
type Values = ReadonlyMap<string, Float64Array>;

/**
 * Every node that is a function of `from` alone, element by element, in order, with its values on
 * the grid.
 */
function elementwiseFrom(view: ShapedView, from: string): Values {
  const values = new Map<string, Float64Array>([[from, GRID]]);
  const rank = view.shapeOf(from)?.length ?? 1;
  // what is found while the map is walked is walked too
  for (const name of values.keys()) {
    for (const reader of view.readers(name)) {
      if (values.has(reader.name) || values.size > MOST_NODES) continue;
      const value = evaluate(view, reader, values, rank);
      if (value !== null) values.set(reader.name, value);
    }
  }
  return values;
}

/** The node's values; null where it is not elementwise, or reads what is not known (yet). */
function evaluate(
  view: ShapedView,
  { op, inputs }: GraphNode,
  values: Values,
  rank: number,
): Float64Array | null {
  const operands = inputs.map((ref) => {
    const known = outputIndexOf(ref) === 0 ? values.get(nodeOf(ref)) : undefined;
    return known ?? onGrid(view, ref, rank);
  });
  return operands.includes(null) ? null : elementwise(op, operands as Float64Array[]);
}

/**
 * A constant of one number, on every point of the grid; one of a higher rank would give the result
 * more axes.
 */
function onGrid(view: ShapedView, ref: Ref, rank: number): Float64Array | null {
  const value = view.scalar(ref);
  if (value === null || view.constant(ref)!.shape.length > rank) return null;
  return GRID.map(() => value);
}

/** The nodes between `from` and `output`, where none but the last is read by others; else null. */
function closed(
  view: ShapedView,
  from: string,
  output: string,
  values: Values,
): GraphNode[] | null {
  const inside = new Map<string, GraphNode>();
  const open = [output];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = view.producer(name);
    if (node === null || inside.has(name) || name === from || !values.has(name)) continue;
    inside.set(name, node);
    open.push(...node.inputs.map(nodeOf));
  }
  const isClosed = [from, ...inside.keys()].every((name) => {
    if (name === output) return true;
    const mayGo = name === from || !view.mustStay(name);
    return mayGo && view.readers(name).every((reader) => inside.has(reader.name));
  });
  return isClosed ? [...inside.values()] : null;
}

/**
 * Constants in graphs are float32, and some have fewer digits; GELU and its approximation by tanh
 * differ by 5e-4.
 */
function isActivation(values: Float64Array, activation: Activation): boolean {
  return values.every((value, i) => {
    const v = GRID[i]!;
    const off = Math.abs(value - activateNumber(v, activation));
    return off <= 1e-6 * Math.max(1, Math.abs(v));
  });
}
