import { activateNumber } from '../../ops/quantizedMatMul/activations.js';
import { ACTIVATIONS } from '../../ops/quantizedMatMul/checks.js';
import type { Activation } from '../../ops/quantizedMatMul/contract.js';
import { constantView } from '../graph/constants.js';
import {
  consumersOf,
  type Graph,
  type GraphNode,
  nodeOf,
  outputIndexOf,
  type Ref,
} from '../graph/ir.js';
import { IDENTITY } from '../graph/opSets.js';
import type { ShapeOf } from '../shapes/shapes.js';
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

/** Finds activations behind linears. */
export class ActivationFinder {
  private readonly consumers: ReadonlyMap<string, readonly GraphNode[]>;
  /** Nodes that must stay: outputs, and what others wait for. */
  private readonly needed: ReadonlySet<string>;

  constructor(
    private readonly graph: Graph,
    private readonly shapeOf: ShapeOf,
  ) {
    this.consumers = consumersOf(graph);
    const awaited = [...graph.nodes.values()].flatMap(({ controls }) => controls);
    this.needed = new Set([...graph.outputs, ...awaited]);
  }

  /**
   * The activation behind a linear, whatever ops it is written in: what is elementwise behind the
   * linear is evaluated on numbers, and compared with the activations that there are.
   */
  behind(linear: Linear): ActivationBehind | null {
    if (linear.activation !== null || this.needed.has(linear.name)) return null;
    const path = this.reshapesFrom(linear.name);
    const from = path.at(-1)?.name ?? linear.name;
    const values = this.elementwiseFrom(from);
    for (const [output, value] of values) {
      if (output === from) continue;
      const activation = ACTIVATIONS.find(
        (known) => known !== 'none' && isActivation(value, known),
      );
      const nodes = activation === undefined ? null : this.closed(from, output, values);
      if (activation !== undefined && nodes !== null) return { activation, path, nodes, output };
    }
    return null;
  }

  /**
   * The reshapes that a value goes through before anything else, each the only reader of the one
   * before.
   */
  private reshapesFrom(name: string): GraphNode[] {
    const path: GraphNode[] = [];
    for (let at = name; ; ) {
      const readers = this.consumers.get(at) ?? [];
      const [reader] = readers;
      if (reader === undefined || readers.length !== 1 || this.needed.has(reader.name)) return path;
      const shapes = ['Reshape', 'ExpandDims', 'Squeeze'].includes(reader.op);
      const reads = reader.inputs.filter((ref) => nodeOf(ref) === at);
      if (!(shapes || IDENTITY.has(reader.op)) || reads.length !== 1) return path;
      if (nodeOf(reader.inputs[0]!) !== at) return path;
      path.push(reader);
      at = reader.name;
    }
  }

  /**
   * Every node that is a function of `from` alone, element by element, in order, with its values on
   * the grid.
   */
  private elementwiseFrom(from: string): Map<string, Float64Array> {
    const values = new Map<string, Float64Array>([[from, GRID]]);
    const rank = this.shapeOf(from)?.length ?? 1;
    // what is found while the map is walked is walked too
    for (const name of values.keys()) {
      for (const reader of this.consumers.get(name) ?? []) {
        if (values.has(reader.name) || values.size > MOST_NODES) continue;
        const value = this.evaluate(reader, values, rank);
        if (value !== null) values.set(reader.name, value);
      }
    }
    return values;
  }

  /** The node's values; null where it is not elementwise, or reads what is not known (yet). */
  private evaluate(
    { op, inputs }: GraphNode,
    values: ReadonlyMap<string, Float64Array>,
    rank: number,
  ): Float64Array | null {
    const operands = inputs.map((ref) => {
      const known = outputIndexOf(ref) === 0 ? values.get(nodeOf(ref)) : undefined;
      return known ?? this.scalar(ref, rank);
    });
    return operands.includes(null) ? null : elementwise(op, operands as Float64Array[]);
  }

  /**
   * A constant of one number, on every point of the grid; one of a higher rank would give the
   * result more axes.
   */
  private scalar(ref: Ref, rank: number): Float64Array | null {
    const view = constantView(this.graph, ref);
    if (view === null || view.dtype !== 'float32' || view.shape.length > rank) return null;
    const size = view.shape.reduce((product, dim) => product * dim, 1);
    if (size !== 1) return null;
    const [value] = view.read();
    return GRID.map(() => value!);
  }

  /**
   * The nodes between `from` and `output`, where none but the last is read by others; else null.
   */
  private closed(
    from: string,
    output: string,
    values: ReadonlyMap<string, Float64Array>,
  ): GraphNode[] | null {
    const inside = new Set<string>();
    const open = [output];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (inside.has(name) || name === from || !values.has(name)) continue;
      inside.add(name);
      open.push(...this.graph.nodes.get(name)!.inputs.map(nodeOf));
    }
    const isClosed = [from, ...inside].every((name) => {
      if (name === output) return true;
      const readers = this.consumers.get(name) ?? [];
      const mayGo = name === from || !this.needed.has(name);
      return mayGo && readers.every((reader) => inside.has(reader.name));
    });
    return isClosed ? [...inside].map((name) => this.graph.nodes.get(name)!) : null;
  }
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
