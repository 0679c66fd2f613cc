import type { Progress, WatchOptions } from '../../ops/common/progress.js';
import type { CalibrateOptions } from '../calibrate/settings.js';
import type { TrajectoryCalibrationOptions } from '../diffusion/calibration.js';
import type { SampleOptions } from '../diffusion/options.js';
import type { QuantizeCheckpointOptions } from '../load/quantizeCheckpoint.js';
import type { Recipe } from '../report/recipe.js';
import type { QuantizationReport } from '../report/report.js';
import type { QuantizeOptions } from '../rewrite/quantize.js';

/** A tensor's values, as they cross to a worker and back. */
export interface PlainTensor {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32' | 'bool';
  readonly values: Float32Array | Int32Array | Uint8Array;
}

/** Inputs of a model by their names. */
export type PlainBatch = Readonly<Record<string, PlainTensor>>;

/** Where a page has a checkpoint from: an absolute URL, or `File`s. */
export type PageCheckpoint = string | File | readonly File[];

/** Options of `quantizeCheckpoint` as they cross to a worker. */
export interface PlainCheckpointOptions
  extends Omit<QuantizeCheckpointOptions, keyof WatchOptions | 'batches' | 'stats'> {
  /** Inputs of the model to calibrate it on. Default none. */
  readonly batches?: readonly PlainBatch[];
}

/** An input of the model that was loaded. */
export interface ModelInput {
  readonly name: string;
  /** −1 where any size will do. */
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** Whether the model that was loaded, or what `quantize` made of it. */
export type Which = 'original' | 'quantized';

/** What a worker does for a page. What watches a call crosses apart: see `Caller`. */
export interface Methods {
  setBackend(name: string): Promise<void>;
  load(source: string | ReadonlyMap<string, Uint8Array>): Promise<readonly ModelInput[]>;
  calibrate(batches: readonly PlainBatch[], options?: Unwatched<CalibrateOptions>): Promise<void>;
  calibrateOnTrajectories(options?: Unwatched<TrajectoryCalibrationOptions>): Promise<void>;
  stats(): Promise<Uint8Array>;
  useStats(bytes: Uint8Array): Promise<void>;
  quantize(options?: Unwatched<QuantizeOptions>): Promise<Quantized>;
  quantizeCheckpoint(source: PageCheckpoint, options?: PlainCheckpointOptions): Promise<Quantized>;
  sample(options: Unwatched<SampleOptions>, which?: Which): Promise<PlainTensor>;
  files(): Promise<ReadonlyMap<string, Uint8Array>>;
  save(folder: string): Promise<void>;
}

/** What `quantize` tells; the model stays in the worker. */
export interface Quantized {
  readonly report: QuantizationReport;
  readonly recipe: Recipe | null;
}

/** Options without what a worker cannot be given. */
export type Unwatched<Options> = Omit<Options, 'signal' | 'onProgress'>;

/** What the worker exposes. */
export interface Exposed {
  /** `onProgress` is the page's, behind a proxy. */
  call(
    id: number,
    method: keyof Methods,
    args: readonly unknown[],
    onProgress?: (progress: Progress) => void | Promise<void>,
  ): Promise<unknown>;
  abort(id: number): Promise<void>;
}
