import type { Graph } from '../graph/ir.js';

const BRANCHES =
  'Switch|Merge|Enter|Exit|NextIteration|LoopCond|While|StatelessWhile|If|StatelessIf';

/** Ops that only run under executeAsync. */
const CONTROL_FLOW = new RegExp(
  `^(${BRANCHES}|TensorArray.*|TensorList.*|NonMaxSuppression.*|Where)$`,
);

/** Whether a graph only runs under executeAsync. */
export function hasControlFlow({ nodes }: Graph): boolean {
  return [...nodes.values()].some(({ op }) => CONTROL_FLOW.test(op));
}
