import type { PlacedLinear } from '../recognize/analysis.js';
import type { Measured } from './measured.js';
import type { Method } from './methods.js';
import type { QuantizedLinear } from './quantizeLinear.js';
import type { ActivationQuantizer, LinearSettings } from './settings.js';
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

/** Tasks with the same key share a transform. */
export function transformKey({ placed, settings }: Task): string {
  const { treatment, method, parts, activations, blockSize, lowRank, branch } = settings;
  // one by one, for a group's weights are read together, and all adaLN linears of a model may read
  // one tensor
  if (treatment === 'weightOnly') return `${placed.linear.name} weightOnly`;
  return JSON.stringify([placed.key, method, parts, activations, blockSize, lowRank, branch]);
}
