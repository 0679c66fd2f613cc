import type { Bits } from '../../../src/cli/values.js';
import type { TrainedName } from '../../load.js';
import type { FeatureNetworkName } from '../features.js';
import { CONFIGURATION_NAMES, type ConfigurationName } from './configurations.js';

/** What is evaluated. */
export interface EvaluationPlan {
  readonly model: TrainedName;
  readonly configurations: readonly ConfigurationName[];
  readonly bits: readonly Bits[];
  /** Pictures of parts (a) to (c). */
  readonly samples: number;
  /** Euler steps. */
  readonly steps: number;
  /** Of the noise, which calibration does not see. */
  readonly seed: number;
  /** Whether part (d) is measured too, and on how many pictures. */
  readonly offline: boolean;
  readonly count: number;
  /** Where the models run; 'webgpu' through Dawn, which `npm run provision:dawn` fetches. */
  readonly backend: BackendName;
  /** Where the rows are kept, between runs too; null: nowhere. */
  readonly json: string | null;
  /** Resamplings of the intervals of part (d). */
  readonly replicates: number;
  /** Folder of the features of part (d). */
  readonly cache: string;
  /** Folder of calibrations: a model's is read where it is there, else written; null: none. */
  readonly statistics: string | null;
  /** PNG of the first pictures of each configuration; null: none. */
  readonly sheet: string | null;
}

/** Backends that an evaluation can run on in Node. */
export const BACKENDS = ['wasm', 'webgpu'] as const;

/** One of `BACKENDS`. */
export type BackendName = (typeof BACKENDS)[number];

/** What an absent flag means. */
export const PLAN_DEFAULTS = {
  model: 'avatars-nano',
  configurations: CONFIGURATION_NAMES,
  bits: ['W8A8', 'W4A8', 'W4A4'],
  samples: 512,
  steps: 8,
  seed: 7,
  count: 4096,
  backend: 'wasm',
  replicates: 200,
  cache: 'out/evaluation',
} as const;

/** Pictures of part (d) that are sampled, and kept, at a time. */
export const OFFLINE_BATCH = 64;

/** The feature network that reads what a model draws. */
export function networkOf(model: string): FeatureNetworkName {
  return model.startsWith('fashion') ? 'fashion' : 'avatars';
}
