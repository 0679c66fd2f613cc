import { numberAttr, shapeAttr, stringAttr } from '../graph/attrs.js';
import { constantIntegers, constantView, squeezedAxes } from '../graph/constants.js';
import {
  canonical,
  type Graph,
  type GraphNode,
  nodeOf,
  outputIndexOf,
  type Ref,
} from '../graph/ir.js';
import { BINARY, IDENTITY, REDUCTIONS, UNARY } from '../graph/opSets.js';
import { topologicalOrder } from '../graph/verify.js';
import { attentionShape } from './attentionShape.js';
import { convolvedShape } from './convShapes.js';
import * as rules from './shapeRules.js';
import { shapeValues, type ValuesOf } from './shapeValues.js';
import { sliced, stridedSliced } from './slices.js';

type PartialShape = rules.PartialShape;

export type { PartialShape } from './shapeRules.js';

/** What shape a tensor has, or null where not even its rank is known. */
export type ShapeOf = (ref: Ref) => PartialShape | null;

/** Ops whose first output has the shape of their first input, beside elementwise ones. */
const SAME = new Set(
  'BiasAdd HadamardTransform ChannelCenter FakeQuant HadaNormQuantize ModulatedLayerNorm FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 AddN Cumsum Switch Enter Exit'.split(
    ' ',
  ),
);

/**
 * Infers shapes from placeholders, weights and attributes. What a calibration run observed comes
 * first. An op it does not know has no shape; it never guesses.
 */
export function shapeInference(
  graph: Graph,
  observed: ReadonlyMap<Ref, PartialShape> = new Map(),
): ShapeOf {
  const known = new Map<Ref, PartialShape | null>();
  const shapeOf: ShapeOf = (given) => {
    const ref = canonical(given);
    const seen = observed.get(ref) ?? known.get(ref);
    if (seen !== undefined) return seen;
    const node = graph.nodes.get(nodeOf(ref));
    if (node === undefined) return null;
    // a loop's back edge finds this and stops
    known.set(ref, null);
    const shape = infer(graph, node, outputIndexOf(ref), shapeOf, valuesOf);
    known.set(ref, shape);
    return shape;
  };
  const valuesOf = shapeValues(graph, shapeOf);
  // inputs first: a deep graph would overflow the stack otherwise
  for (const { name } of topologicalOrder(graph)) shapeOf(name);
  return shapeOf;
}

function infer(
  graph: Graph,
  node: GraphNode,
  output: number,
  shapeOf: ShapeOf,
  valuesOf: ValuesOf,
): PartialShape | null {
  const { op, attrs, inputs } = node;
  const at = (i: number) => (inputs[i] === undefined ? null : shapeOf(inputs[i]));
  const first = () => at(0);
  const integer = (i: number) => constantIntegers(graph, inputs[i])?.[0];
  if (IDENTITY.has(op) || UNARY.has(op)) return first();
  // its second output is the index of the branch, or statistics
  if (SAME.has(op)) return output === 0 || op === 'Switch' ? first() : null;
  if (BINARY.has(op)) return rules.broadcast(first(), at(1));
  if (REDUCTIONS.has(op)) return rules.reduced(graph, node, first());
  switch (op) {
    case 'Placeholder':
    case 'PlaceholderWithDefault':
      return shapeAttr(attrs, 'shape');
    case 'Const':
      return constantView(graph, node.name)?.shape ?? null;
    case 'Reshape': {
      const wanted = valuesOf(inputs[1]);
      return wanted === null ? null : rules.reshaped(first(), wanted);
    }
    case 'Fill':
      return valuesOf(inputs[0]);
    case 'BroadcastTo':
      return valuesOf(inputs[1]);
    case 'Transpose': {
      const order = constantIntegers(graph, inputs[1]);
      const shape = first();
      return shape === null || order === null ? null : order.map((axis) => shape[axis]!);
    }
    case 'Shape': {
      const shape = first();
      return shape === null ? null : [shape.length];
    }
    case 'ExpandDims':
      return rules.expanded(first(), integer(1));
    case 'Squeeze':
      return rules.squeezed(first(), squeezedAxes(node));
    case 'Merge':
      return output === 0 ? rules.common(inputs.map(shapeOf)) : [];
    case 'Select':
      return at(1);
    case 'SelectV2':
      return rules.broadcast(first(), rules.broadcast(at(1), at(2)));
    default:
      return joined(graph, node, output, at) ?? multiplied(node, at);
  }
}

/** Ops that take tensors apart or put them together. */
function joined(
  graph: Graph,
  node: GraphNode,
  output: number,
  at: (i: number) => PartialShape | null,
): PartialShape | null {
  const { op, attrs, inputs } = node;
  const integers = (i: number) => constantIntegers(graph, inputs[i]);
  const axis = numberAttr(attrs, 'axis', 0);
  switch (op) {
    case 'ConcatV2': {
      const parts = inputs.slice(0, -1).map((_, i) => at(i));
      return rules.concatenated(parts, integers(inputs.length - 1)?.[0]);
    }
    case 'Split': {
      const parts = numberAttr(attrs, 'num_split', 1);
      return rules.withDim(at(1), integers(0)?.[0], (dim) => (dim < 0 ? dim : dim / parts));
    }
    case 'SplitV':
      return rules.withDim(at(0), integers(2)?.[0], (dim) =>
        rules.splitSize(dim, integers(1), output),
      );
    case 'Unpack': {
      const shape = at(0);
      return shape?.filter((_, i) => i !== (axis < 0 ? axis + shape.length : axis)) ?? null;
    }
    case 'Pack':
      return rules.expanded(at(0), axis, inputs.length);
    case 'Gather':
      return rules.gathered(at(0), at(1), 0);
    case 'GatherV2':
      return rules.gathered(at(0), at(1), integers(2)?.[0], numberAttr(attrs, 'batch_dims', 0));
    case 'Slice':
      return sliced(graph, node, at(0));
    case 'StridedSlice':
      return stridedSliced(graph, node, at(0));
    case 'Tile': {
      const times = integers(1);
      return at(0)?.map((dim, i) => (dim < 0 || !times ? -1 : dim * times[i]!)) ?? null;
    }
    case 'Pad':
    case 'PadV2':
    case 'MirrorPad': {
      const pads = integers(1);
      const more = (i: number) => pads![2 * i]! + pads![2 * i + 1]!;
      return at(0)?.map((dim, i) => (dim < 0 || !pads ? -1 : dim + more(i))) ?? null;
    }
    default:
      return null;
  }
}

/** Products and convolutions. */
function multiplied(node: GraphNode, at: (i: number) => PartialShape | null): PartialShape | null {
  const { op, attrs, inputs } = node;
  switch (op) {
    case 'MatMul':
    case '_FusedMatMul':
      // matrices, whatever made them
      return rules.product(
        node,
        at(0) ?? [-1, -1],
        at(1) ?? [-1, -1],
        'transpose_a',
        'transpose_b',
      );
    case 'BatchMatMul':
    case 'BatchMatMulV2':
    case 'BatchMatMulV3':
      return rules.product(node, at(0), at(1), 'adj_x', 'adj_y');
    case 'QuantizedMatMul':
      return rules.withDim(at(0), -1, () => numberAttr(attrs, 'n', -1));
    case 'ScaledDotProductAttention':
      return attentionShape(
        node,
        inputs.map((_, i) => at(i)),
      );
    case 'Einsum':
      return rules.einsum(
        stringAttr(attrs, 'equation'),
        inputs.map((_, i) => at(i)),
      );
    case 'Conv2D':
    case '_FusedConv2D':
      return convolvedShape(node, at(0), at(1));
    default:
      return null;
  }
}
