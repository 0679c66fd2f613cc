import { throwIfAborted } from '../../ops/common/callers.js';
import { HadaNormError } from '../../ops/numerics/errors.js';
import type { Task } from '../quantize/plan.js';
import { type PreparedRewrite, quantizeSteps, type RewrittenGraph } from '../rewrite/steps.js';
import type { Arriving } from './arriving.js';
import type { Need } from './net/net.js';
import type { Opened } from './opening.js';

/** Linears that are quantized together, and where in the order of reading their last weight is. */
interface Group {
  readonly tasks: readonly Task[];
  readonly weights: readonly string[];
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
  const steps = quantizeSteps(
    prepared,
    groups.map(({ tasks }) => tasks),
  );
  let next = 0;
  const quantizeUpTo = async (read: number) => {
    for (; next < groups.length && groups[next]!.last < read; next++) {
      const group = groups[next]!;
      for (let i = 0; i < group.tasks.length; i++) {
        throwIfAborted(op, signal);
        const step = steps.next();
        if (!step.done) onProgress?.(step.value);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      weights.drop(group.weights);
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
    const last = steps.next();
    if (!last.done) throw new HadaNormError(op, `${last.value.name} was not expected.`);
    return last.value;
  } finally {
    steps.return(undefined as never);
  }
}

/** The groups in the order in which they are complete. */
function inOrderOfReading({ groups }: PreparedRewrite, needs: readonly Need[]): Group[] {
  const order = new Map(needs.map(({ weight }, i) => [weight, i]));
  return groups
    .map((tasks) => {
      const weights = tasks.flatMap(({ placed: { linear } }) =>
        linear.bias === null ? [linear.weight] : [linear.weight, linear.bias.weight],
      );
      return { tasks, weights, last: Math.max(...weights.map((name) => order.get(name) ?? -1)) };
    })
    .sort((a, b) => a.last - b.last);
}
