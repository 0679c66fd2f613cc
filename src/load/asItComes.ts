import { throwIfAborted } from '../../ops/common/callers.js';
import type { PreparedRewrite, RewrittenGraph } from '../rewrite/steps.js';
import type { Arriving } from './arriving.js';
import { GroupSteps, groupOf, type TaskGroup } from './groupSteps.js';
import type { Need } from './net/net.js';
import type { Opened } from './opening.js';

/** Where in the order of reading the last weight of a group is. */
interface Group extends TaskGroup {
  readonly last: number;
}

/** Quantizes a checkpoint's linears in the order in which their weights come. */
export async function quantizedAsItComes(
  op: string,
  { plan, watch }: Opened,
  weights: Arriving,
  prepared: PreparedRewrite,
): Promise<RewrittenGraph> {
  const { needs } = plan;
  const { signal, onProgress } = watch;
  const groups = inOrderOfReading(prepared, needs);
  const consumed = new Set(groups.flatMap((group) => group.weights));
  const steps = new GroupSteps(op, watch, weights, prepared, groups);
  let next = 0;
  const quantizeUpTo = async (read: number) => {
    for (; next < groups.length && groups[next]!.last < read; next++) {
      await steps.quantize(groups[next]!);
    }
  };
  try {
    await quantizeUpTo(0);
    for (const [i, need] of needs.entries()) {
      throwIfAborted(op, signal);
      await weights.read(need, !consumed.has(need.weight));
      onProgress?.({ stage: 'load', done: i + 1, total: needs.length, name: need.from.key });
      await quantizeUpTo(i + 1);
    }
    throwIfAborted(op, signal);
    return steps.finish();
  } finally {
    steps.stop();
  }
}

/** The groups in the order in which they are complete. */
function inOrderOfReading({ groups }: PreparedRewrite, needs: readonly Need[]): Group[] {
  const order = new Map(needs.map(({ weight }, i) => [weight, i]));
  return groups
    .map((tasks) => {
      const group = groupOf(tasks);
      const last = Math.max(...group.weights.map((name) => order.get(name) ?? -1));
      return { ...group, last };
    })
    .sort((a, b) => a.last - b.last);
}
