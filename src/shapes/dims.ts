import { boolAttr, numberAttr } from '../graph/attrs.js';
import { constantIntegers } from '../graph/constants.js';
import { einsumOf } from '../graph/einsum.js';
import { canonical, type Graph, type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { BINARY, IDENTITY, UNARY } from '../graph/opSets.js';
import { topologicalOrder } from '../graph/verify.js';
import { type Dim, named, product, quotient } from './lengths.js';
import type { ShapeOf } from './shapes.js';
import { shapeVector } from './shapeVectors.js';

/** The lengths of a tensor's axes; null where not even their number is known. */
export type DimsOf = (ref: Ref) => readonly Dim[] | null;

/**
 * Ops whose first output has the leading axes of their first input; what becomes of the last one
 * the shape says.
 */
const KEEPS_LEADING = new Set(
  'QuantizedMatMul HadamardTransform ChannelCenter FakeQuant HadaNormQuantize ModulatedLayerNorm'.split(
    ' ',
  ),
);

/**
 * Names the lengths that shape inference leaves open, so that two of them can be told to be the
 * same.
 */
export function dimsInference(graph: Graph, shapeOf: ShapeOf): DimsOf {
  const inference = new Inference(graph, shapeOf);
  // inputs first: a deep graph would overflow the stack otherwise
  for (const { name } of topologicalOrder(graph)) inference.dims(name);
  return (ref) => inference.dims(ref);
}

class Inference {
  private readonly known = new Map<string, Dim>();

  constructor(
    private readonly graph: Graph,
    private readonly shapeOf: ShapeOf,
  ) {}

  dims(ref: Ref): Dim[] | null {
    return this.shapeOf(ref)?.map((_, axis) => this.dim(ref, axis)) ?? null;
  }

  private readonly rank = (ref: Ref) => this.shapeOf(ref)?.length ?? null;

  private dim(given: Ref, axis: number): Dim {
    const ref = canonical(given);
    const length = this.shapeOf(ref)?.[axis] ?? -1;
    if (length >= 0) return length;
    const key = `${ref}#${axis}`;
    const seen = this.known.get(key);
    if (seen !== undefined) return seen;
    // a name of its own; a loop's back edge finds it and stops
    const own = named(key);
    this.known.set(key, own);
    const node = this.graph.nodes.get(nodeOf(ref));
    const found = (node === undefined ? null : this.follow(node, this.rank(ref)!, axis)) ?? own;
    this.known.set(key, found);
    return found;
  }

  /** The length of an input's axis that an axis of the result has, or null. */
  private follow(node: GraphNode, rank: number, axis: number): Dim | null {
    const { op, inputs } = node;
    const first = inputs[0];
    if (first === undefined) return null;
    if (IDENTITY.has(op) || UNARY.has(op) || op === 'BiasAdd') return this.dim(first, axis);
    if (BINARY.has(op)) return this.broadcast(inputs, axis - rank);
    if (KEEPS_LEADING.has(op)) return axis < rank - 1 ? this.dim(first, axis) : null;
    switch (op) {
      case 'Transpose': {
        const order = constantIntegers(this.graph, inputs[1]);
        return order === null ? null : this.dim(first, order[axis]!);
      }
      case 'Reshape':
        return this.reshaped(first, inputs[1]!, axis);
      case 'Split':
      case 'SplitV': {
        const [data, along] = op === 'Split' ? [inputs[1]!, first] : [first, inputs[2]!];
        const at = constantIntegers(this.graph, along)?.[0];
        return at === undefined || (at + rank) % rank === axis ? null : this.dim(data, axis);
      }
      case 'Unpack': {
        const at = numberAttr(node.attrs, 'axis', 0);
        return this.dim(first, axis < (at < 0 ? at + rank + 1 : at) ? axis : axis + 1);
      }
      case 'Einsum':
        return this.labelled(node, axis);
      default:
        return op.endsWith('MatMul') || op.startsWith('BatchMatMul')
          ? this.multiplied(node, axis - rank)
          : null;
    }
  }

  /** Rows are the first operand's, columns the second's; what comes before is common to both. */
  private multiplied({ op, attrs, inputs }: GraphNode, fromEnd: number): Dim | null {
    if (fromEnd < -2) return this.broadcast(inputs.slice(0, 2), fromEnd);
    const flags = op.startsWith('Batch') ? ['adj_x', 'adj_y'] : ['transpose_a', 'transpose_b'];
    const operand = fromEnd + 2;
    const ref = inputs[operand]!;
    const rank = this.rank(ref);
    const isTurned = boolAttr(attrs, flags[operand]!);
    return rank === null ? null : this.dim(ref, rank + (isTurned ? -3 - fromEnd : fromEnd));
  }

  private labelled(node: GraphNode, axis: number): Dim | null {
    const { terms, output } = einsumOf(node);
    const label = output?.[axis] ?? '';
    const operand = terms.findIndex((term) => term.includes(label));
    return operand < 0 ? null : this.dim(node.inputs[operand]!, terms[operand]!.indexOf(label));
  }

  /**
   * The one length that is not 1 among operands' axes, counted from the end; null where there are
   * several.
   */
  private broadcast(inputs: readonly Ref[], fromEnd: number): Dim | null {
    const lengths = new Set<Dim>();
    for (const ref of inputs) {
      const rank = this.rank(ref);
      if (rank === null) return null;
      if (rank + fromEnd >= 0) lengths.add(this.dim(ref, rank + fromEnd));
    }
    lengths.delete(1);
    return lengths.size === 1 ? [...lengths][0]! : null;
  }

  /**
   * An entry of the new shape; the one that is left open is what of the old shape the others leave.
   */
  private reshaped(from: Ref, shape: Ref, axis: number): Dim | null {
    const entries = shapeVector(this.graph, shape, this.rank)?.map((entry) =>
      typeof entry === 'number' ? entry : this.dim(entry.of, entry.axis),
    );
    const entry = entries?.[axis];
    if (entries === undefined || entry === undefined) return null;
    if (entry !== -1) return entry;
    const old = this.dims(from);
    const others = entries.filter((other) => other !== -1);
    return old === null ? null : quotient(product(old), product(others));
  }
}
