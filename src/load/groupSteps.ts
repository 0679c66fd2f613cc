import { throwIfAborted } from '../../ops/common/callers.js';
import { HadaNormError } from '../../ops/numerics/errors.js';
import type { Task } from '../quantize/plan.js';
import { type PreparedRewrite, quantizeSteps, type RewrittenGraph } from '../rewrite/steps.js';
import type { Arriving } from './arriving.js';
import type { Opened } from './opening.js';

/** Linears that are quantized together, and the names of their weights. */
export interface TaskGroup {
  readonly tasks: readonly Task[];
  readonly weights: readonly string[];
}

/** The linears that are quantized together, with what is read for them. */
export function groupOf(tasks: readonly Task[]): TaskGroup {
  const weights = tasks.flatMap(({ placed: { linear } }) =>
    linear.bias === null ? [linear.weight] : [linear.weight, linear.bias.weight],
  );
  return { tasks, weights };
}

/** Quantizes groups in the order given, each when its weights are there, and lets go of these. */
export class GroupSteps {
  private readonly steps: ReturnType<typeof quantizeSteps>;

  constructor(
    private readonly op: string,
    private readonly watch: Opened['watch'],
    private readonly weights: Arriving,
    prepared: PreparedRewrite,
    groups: readonly TaskGroup[],
  ) {
    this.steps = quantizeSteps(
      prepared,
      groups.map(({ tasks }) => tasks),
    );
  }

  /** The next group. @throws AbortedError between two linears. */
  async quantize({ tasks, weights }: TaskGroup): Promise<void> {
    const { signal, onProgress } = this.watch;
    for (let i = 0; i < tasks.length; i++) {
      throwIfAborted(this.op, signal);
      const step = this.steps.next();
      // before anybody is told, who may look after memory
      if (i === tasks.length - 1) this.weights.drop(weights);
      if (!step.done) onProgress?.(step.value);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  finish(): RewrittenGraph {
    const last = this.steps.next();
    if (last.done) return last.value;
    throw new HadaNormError(this.op, `${last.value.name} was not expected.`);
  }

  stop(): void {
    this.steps.return(undefined as never);
  }
}
