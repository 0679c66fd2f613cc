import type { GraphNode, Ref } from './ir.js';

/** Ops that read values only to know their shape, or not at all. */
const SHAPE_ONLY = new Set(['Shape', 'ShapeN', 'Size', 'Rank', 'ZerosLike', 'OnesLike']);

/** Ops whose first input alone is data; the others are shapes, axes, orders or indices. */
const FIRST_ONLY = new Set(
  `Reshape Transpose ExpandDims Squeeze Slice StridedSlice SplitV Tile BroadcastTo Pad PadV2
   MirrorPad Gather GatherV2 Mean Sum Max Min Prod All Any ArgMax ArgMin Cumsum Switch`.split(
    /\s+/,
  ),
);

/** The inputs whose values flow into what a node gives: no shapes, axes, indices or conditions. */
export function dataRefs({ op, inputs }: GraphNode): readonly Ref[] {
  if (SHAPE_ONLY.has(op)) return [];
  if (FIRST_ONLY.has(op)) return inputs.slice(0, 1);
  if (op === 'Split') return inputs.slice(1, 2);
  if (op === 'ConcatV2') return inputs.slice(0, -1);
  if (op === 'Select' || op === 'SelectV2' || op === 'Fill') return inputs.slice(1);
  return inputs;
}
