import type { GraphView } from '../graph/view.js';

/** Ops that make shapes of shapes. A Reshape that reads one is where it is used. */
const SHAPE_ARITHMETIC = new Set(
  'StridedSlice Slice Gather GatherV2 Pack Unpack ConcatV2 Prod Mul Cast ExpandDims Squeeze'.split(
    ' ',
  ),
);

/**
 * Whether the shapes of nodes are asked for by these and `at` alone: else they would not go when
 * `at` is replaced.
 */
export function shapesStay(view: GraphView, names: readonly string[], at: string): boolean {
  const inside = new Set([...names, at]);
  const seen = new Set<string>();
  const open = names.flatMap((name) => view.readers(name).filter(({ op }) => op === 'Shape'));
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (seen.has(node.name)) continue;
    seen.add(node.name);
    if (view.mustStay(node.name)) return false;
    const outside = view.readers(node.name).filter(({ name }) => !inside.has(name));
    if (outside.some(({ op }) => !SHAPE_ARITHMETIC.has(op))) return false;
    open.push(...outside);
  }
  return true;
}
