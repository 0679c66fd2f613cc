import type { GraphModel } from '@tensorflow/tfjs-converter';
import { keep, type Tensor, tensor } from '@tensorflow/tfjs-core';
import { throwIfAborted } from '../../ops/common/callers.js';
import type { Progress } from '../../ops/common/progress.js';
import { modelFromTensors } from '../graph/model.js';
import { planned } from '../plan/planned.js';
import { constantTensor } from './arriving.js';
import { LOAD_OPTIONS, type LoadCheckpointOptions, type Opened, withPlan } from './opening.js';
import type { CheckpointSource } from './source/open.js';

export type { LoadCheckpointOptions } from './opening.js';

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
  return withPlan(op, source, options, LOAD_OPTIONS, (opened) => filled(op, opened));
}

/** A model of the plan's graph, its weights read one after the other. */
async function filled(op: string, { checkpoint, plan, watch }: Opened): Promise<GraphModel> {
  const { graph, needs } = plan;
  const { signal, onProgress } = watch;
  const tensors: Record<string, Tensor> = {};
  try {
    for (const [i, { weight, shape, from, make }] of needs.entries()) {
      throwIfAborted(op, signal);
      const values = make(await checkpoint.read(from.key));
      tensors[weight] = keep(tensor(values, [...shape], 'float32'));
      onProgress?.({ stage: 'load', done: i + 1, total: needs.length, name: from.key });
    }
    throwIfAborted(op, signal);
    for (const name of graph.weights.keys()) tensors[name] ??= constantTensor(graph, name);
    return planned(modelFromTensors(graph, tensors));
  } catch (error) {
    for (const made of Object.values(tensors)) made.dispose();
    throw error;
  }
}
