import type { GraphNode } from './ir.js';
import { BINARY, IDENTITY, PRODUCTS, REDUCTIONS, UNARY } from './opSets.js';

/** How many tensors an op reads at least, where it is one that passes and recognition look into. */
const LEAST: ReadonlyMap<string, number> = new Map([
  ...each([...IDENTITY, ...UNARY], 1),
  ...each([...BINARY, ...REDUCTIONS, ...PRODUCTS], 2),
  ...each(['Einsum', 'Squeeze', 'Unpack', 'Pack', 'Shape', 'Size', 'Rank', 'AddN'], 1),
  ...each(['Reshape', 'Transpose', 'ExpandDims', 'Tile', 'Fill', 'BroadcastTo', 'Gather'], 2),
  ...each(['GatherV2', 'GatherNd', 'Split', 'ConcatV2', 'Concat', 'Pad', 'ArgMax', 'ArgMin'], 2),
  ...each(['Conv2D', '_FusedConv2D', 'DepthwiseConv2dNative', 'FusedDepthwiseConv2dNative'], 2),
  ...each(['SplitV', 'Slice', 'Select', 'SelectV2', 'PadV2', 'Range', 'Conv2DBackpropInput'], 3),
  ...each(['StridedSlice', 'OneHot'], 4),
  ...each(['HadamardTransform', 'ChannelCenter', 'FakeQuant', 'HadaNormQuantize'], 1),
  ...each(['ModulatedLayerNorm'], 1),
  ...each(['QuantizedMatMul'], 2),
  ...each(['ScaledDotProductAttention'], 3),
]);

/** What a node lacks of the inputs that its op reads; null where it has them. */
export function lackingInputs({ op, inputs }: GraphNode): string | null {
  const least = LEAST.get(op) ?? 0;
  return inputs.length >= least
    ? null
    : `has ${inputs.length} of the ${least} inputs that it needs`;
}

function each(ops: readonly string[], least: number): [string, number][] {
  return ops.map((op) => [op, least]);
}
