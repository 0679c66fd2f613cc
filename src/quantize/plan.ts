import { groupBy } from '../math/groups.js';
import type { PlacedLinear } from '../recognize/analysis.js';
import type { Measured } from './measured.js';
import type { Method } from './methods.js';
import type { QuantizedLinear } from './quantizeLinear.js';
import { type ActivationQuantizer, type LinearSettings, wantsGptq } from './settings.js';
import type { Transform } from './transform.js';

/** A linear whose treatment was decided. */
export interface PlannedLinear {
  readonly placed: PlacedLinear;
  readonly transform: Transform;
  readonly activations: ActivationQuantizer | null;
  readonly quantized: QuantizedLinear;
}

/** One linear's outcome: how it is quantized, by which method, and how well. */
export interface Outcome {
  readonly planned: PlannedLinear;
  readonly settings: LinearSettings;
  readonly method: Method;
  readonly measured: Measured;
  /** Null where nothing was left out. */
  readonly leftOut: LeftOut | null;
  /**
   * Of a sequential calibration: whether its weights are refit to what the quantized linears before
   * it give, or measured better as they were.
   */
  readonly refit?: boolean;
}

/** What a linear goes without, for it cannot be rotated and no option asked for that by name. */
export interface LeftOut {
  readonly why: string;
  /** Whether it would have been rotated itself. */
  readonly rotation: boolean;
  /** Methods that were not measured. */
  readonly methods: readonly Method[];
}

/** A linear with its settings. */
export interface Task {
  readonly placed: PlacedLinear;
  readonly settings: LinearSettings;
}

/** Whether the second moments of what a linear reads say anything of how it is quantized. */
export function usesHessian({ settings: { treatment, weights, lowRank } }: Task): boolean {
  return wantsGptq(weights) || (treatment === 'transform' && lowRank !== 0);
}

/** Numbers of weights that are quantized together where linears need not share a transform. */
const TOGETHER = 2 ** 23;

/**
 * Linears by what they share a transform with, and are quantized together: all their weights are
 * there at a time. Where a site has one row a sample, transforms cost next to nothing when the
 * model runs: all adaLN linears of a model read one tensor, and of a large one that would be a
 * third of its weights.
 */
export function groupsOf(tasks: readonly Task[]): Task[][] {
  return [...groupBy(tasks, transformKey).values()].flatMap((group) =>
    group[0]!.placed.site.tokens === 'none' ? inParts(group) : [group],
  );
}

function inParts(tasks: readonly Task[]): Task[][] {
  const parts: Task[][] = [];
  let numbers = 0;
  for (const task of tasks) {
    const { d, n } = task.placed.linear;
    const fits = parts.length > 0 && numbers + d * n <= TOGETHER;
    if (fits) parts.at(-1)!.push(task);
    else parts.push([task]);
    numbers = (fits ? numbers : 0) + d * n;
  }
  return parts;
}

/** Tasks with the same key may share a transform. */
function transformKey({ placed, settings }: Task): string {
  const { treatment, method, parts, activations, blockSize, lowRank, branch } = settings;
  // they have none
  if (treatment === 'weightOnly') return `${placed.linear.name} weightOnly`;
  return JSON.stringify([placed.key, method, parts, activations, blockSize, lowRank, branch]);
}
