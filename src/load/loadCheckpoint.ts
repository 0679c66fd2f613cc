import type { GraphModel } from '@tensorflow/tfjs-converter';
import { keep, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { checkCallback, checkSignal, throwIfAborted } from '../../ops/common/callers.js';
import { checkPlain } from '../../ops/common/checks.js';
import type { Progress, WatchOptions } from '../../ops/common/progress.js';
import { type ReadFor, readInteger, recordOf } from '../../ops/common/readers.js';
import { AbortedError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { modelFromTensors } from '../graph/model.js';
import { Checkpoint } from './checkpoint.js';
import type { Sizes } from './models/architecture.js';
import { type Plan, planOf } from './plan.js';
import { type CheckpointSource, openSource } from './source/open.js';

/** Options of `loadCheckpoint`. */
export interface LoadCheckpointOptions extends WatchOptions {
  /**
   * Height and width of the latents, in cells: the graph is for these. Default the config's
   * sample_size; of Flux 128.
   */
  readonly height?: number;
  /** Default the height. */
  readonly width?: number;
  /** Length of the text. Default of PixArt 300 (of α give 120), SD3 333, Flux 512. */
  readonly textTokens?: number;
  /** What config.json says, or fields to set beside it or in its place. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** How far a checkpoint is: its tensors. */
export interface LoadProgress extends Progress {
  readonly stage: 'load';
  readonly total: number;
}

/**
 * Loads a published checkpoint as a `tf.GraphModel` on the current backend: the weights that others
 * have trained, without Python.
 *
 * Of diffusers `DiTTransformer2DModel`, `PixArtTransformer2DModel` (α and Σ),
 * `SD3Transformer2DModel` (3 and 3.5) and `FluxTransformer2DModel`, and `Transformer2DModel` that
 * is one of the first two; and DiT by the names of facebookresearch. The graph is their forward
 * pass, latents NHWC; docs/checkpoints.md has the inputs of each. Tensors come one at a time, in
 * float32, float16 or bfloat16, and are float32 in the model; a file on a server is streamed, with
 * range requests where it knows them.
 *
 * @param source The URL of a folder with config.json and weights, or of the weights; the `File`s of
 * a page; or `checkpointFiles(folder)` of `tfjs-hadanorm/node`.
 * @throws CheckpointError for files that are missing or broken, a config that is not supported, and
 * a tensor that is missing, too many or of another shape, named before one is read; for a pickle
 * (.pt, .bin), with the way to convert it. InvalidArgumentError for wrong options. AbortedError
 * when cancelled.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { loadCheckpoint } from 'tfjs-hadanorm/load';
 * import { checkpointFiles } from 'tfjs-hadanorm/node';
 *
 * // a page takes a URL or Files
 * const folder = checkpointFiles('test/fixtures/checkpoints/dit');
 * const model = await loadCheckpoint(folder, { onProgress: ({ name }) => console.log(name) });
 * const noise = model.predict({
 *   latent: tf.randomNormal([1, 8, 8, 4]),
 *   timestep: tf.tensor1d([981]),
 *   label: tf.tensor1d([3], 'int32'),
 * });
 * ```
 */
export async function loadCheckpoint(
  source: CheckpointSource,
  options: LoadCheckpointOptions = {},
): Promise<GraphModel> {
  const op = 'loadCheckpoint';
  checkPlain(op, 'options', options);
  const { signal = null, onProgress, config: given = {} } = options;
  checkSignal(op, signal);
  checkCallback(op, 'onProgress', onProgress);
  const sizes = sizesOf(op, options);
  recordOf(given, 'config', { op });
  const opened = openSource(op, source);
  throwIfAborted(op, signal);
  return abortable(op, signal, async () => {
    const checkpoint = await Checkpoint.open(op, opened, signal);
    try {
      const { config, shapes } = checkpoint;
      const whole =
        config === null && Object.keys(given).length === 0 ? null : { ...config, ...given };
      const plan = planOf(op, { config: whole, shapes }, sizes);
      return await filled(op, checkpoint, plan, { signal, onProgress });
    } finally {
      await checkpoint.close();
    }
  });
}

interface Watch {
  readonly signal: AbortSignal | null;
  readonly onProgress: LoadCheckpointOptions['onProgress'];
}

/** A model of the plan's graph, its weights read one after the other. */
async function filled(
  op: string,
  checkpoint: Checkpoint,
  { graph, needs }: Plan,
  { signal, onProgress }: Watch,
): Promise<GraphModel> {
  const tensors: Record<string, Tensor> = {};
  const put = (name: string, made: Tensor) => {
    tensors[name] = keep(made);
  };
  try {
    for (const [i, { weight, shape, from, make }] of needs.entries()) {
      throwIfAborted(op, signal);
      put(weight, tensor(make(await checkpoint.read(from.key)), [...shape], 'float32'));
      onProgress?.({ stage: 'load', done: i + 1, total: needs.length, name: from.key });
    }
    throwIfAborted(op, signal);
    for (const [name, { spec, values }] of graph.weights) {
      if (tensors[name] !== undefined) continue;
      put(name, tensor(values() as Float32Array, spec.shape, spec.dtype as 'float32' | 'int32'));
    }
    return modelFromTensors(graph, tensors);
  } catch (error) {
    for (const made of Object.values(tensors)) made.dispose();
    throw error;
  }
}

function sizesOf(op: string, options: LoadCheckpointOptions): Sizes {
  const known = ['height', 'width', 'textTokens', 'config', 'signal', 'onProgress'];
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(op, 'options', `some of ${known.join(', ')}`, unknown);
  }
  const by: ReadFor = { op };
  const size = (name: 'height' | 'width' | 'textTokens') => {
    const value = options[name];
    return value === undefined ? null : readInteger(1, 2 ** 20)(value, name, by);
  };
  return { height: size('height'), width: size('width'), textTokens: size('textTokens') };
}

/** What a platform throws when its signal is aborted, as this package's own. */
async function abortable<T>(
  op: string,
  signal: AbortSignal | null,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (signal?.aborted && !(error instanceof AbortedError)) {
      throw new AbortedError(op, signal.reason);
    }
    throw error;
  }
}
