import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { Progress } from '../../ops/common/progress.js';

/** How far a sampler is: steps. */
export interface SampleProgress extends Progress {
  readonly total: number;
}

/** How to sample. */
export interface SampleOptions {
  /** The label of each sample; as many samples as labels. */
  readonly labels: readonly number[];
  /** Steps from noise (t = 0) to data (t = 1). Default 20. */
  readonly steps?: number;
  /**
   * `euler` (default) runs the model once a step and is of first order. `heun` is of second order:
   * it runs the model twice a step, and once in the last.
   */
  readonly solver?: Solver;
  /** Of the noise: an integer ≥ 0. Default 0. */
  readonly seed?: number;
  /** Guidance: v = none + cfg · (label − none). Default 1: none, and half the work. */
  readonly cfg?: number;
  /** The label that stands for none, for guidance. Default the model's numClasses. */
  readonly noneLabel?: number;
  /** Stops before the model is run again, with an `AbortedError`. */
  readonly signal?: AbortSignal;
  /** Called after each step. */
  readonly onProgress?: (progress: SampleProgress) => void;
}

/** How to draw samples. */
export interface DrawOptions extends SampleOptions {
  /**
   * Called after each step, before `onProgress`, with the samples as they are then: [B, S, S, C],
   * noise and picture mixed until the last. They stay the sampler's, which waits for what this
   * returns.
   */
  readonly onStep?: (samples: Tensor4D, done: number, total: number) => void | Promise<void>;
}

/** How to follow a trajectory. */
export interface TrajectoryOptions extends SampleOptions {
  /** The steps to yield, from 0. Default all. Steps after the last of them are not taken. */
  readonly keep?: readonly number[];
}

/** How a step is taken: see `SampleOptions`. */
export const SOLVERS = ['euler', 'heun'] as const;

/** One of `SOLVERS`. */
export type Solver = (typeof SOLVERS)[number];
