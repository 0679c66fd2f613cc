import type { Tensor } from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import type { CalibrationStats } from '../calibrate/stats.js';
import { modelFromTensors } from '../graph/model.js';
import { planned } from '../plan/planned.js';
import type { Recipe } from '../report/recipe.js';
import type { RewriteOptions } from '../rewrite/options.js';
import { withPreset } from '../rewrite/presetOptions.js';
import type { Preset, PresetName } from '../rewrite/presets.js';
import type { RewriteResult } from '../rewrite/rewriteGraph.js';
import { type PreparedRewrite, prepareRewrite, type RewrittenGraph } from '../rewrite/steps.js';
import { Arriving } from './arriving.js';
import { quantizedAsItComes } from './asItComes.js';
import { quantizedByBlocks } from './byBlocks.js';
import { blockCalibration, type CheckpointBatches, type CheckpointCalibration } from './given.js';
import { LOAD_OPTIONS, type LoadCheckpointOptions, type Opened, withPlan } from './opening.js';
import type { CheckpointSource } from './source/open.js';

export type { CheckpointBatches, CheckpointCalibration } from './given.js';

/** Options of `quantizeCheckpoint`: those of `rewriteGraph` go over the preset's. */
export interface QuantizeCheckpointOptions extends LoadCheckpointOptions, RewriteOptions {
  /**
   * One of `PRESETS` by its name, one of your own, or what `recommendRules` gave, whose rules then
   * stand over those of the default; of a JSON file too. Default 'W4A8'.
   */
  readonly preset?: PresetName | Preset | Recipe;
  /**
   * Inputs of the model to calibrate it on, part by part while it loads; or a function that gives
   * them for its inputs. Its tensors are held until all is done. Default none.
   */
  readonly batches?: CheckpointBatches;
  /** Of that calibration. */
  readonly calibrate?: CheckpointCalibration;
}

const REWRITE_OPTIONS = [
  ...['preset', 'method', 'weights', 'activations', 'center', 'meanRank', 'scale', 'alpha'],
  ...[
    'rotate',
    'signs',
    'lowRank',
    'branch',
    'blockSize',
    'stats',
    'rules',
    'weightOnly',
    'mode',
    'fuse',
  ],
  ...['tokenMask', 'seed', 'compare', 'ranks'],
];

const CALIBRATION_OPTIONS = ['batches', 'calibrate'];

/**
 * Loads a published checkpoint and quantizes it while it comes: `loadCheckpoint` and `rewriteGraph`
 * in one, a linear's weights packed as soon as they are there and then let go, so that the float32
 * model never exists whole.
 *
 * With `batches` it is calibrated as by `calibrate`, and any method is there: parts of the model, a
 * block or less, run one after the other on all batches, each linear of a part is quantized, and
 * its weights and Hessians are let go before the next part is read. What goes on from one part to
 * the next is kept for each batch: a few of them are enough. The source is read in the order of the
 * graph, so it must be one that can be: files, or a server with range requests.
 *
 * Without statistics the method is `hadamard` (rotate, no calibration), or `rtn` where it is asked
 * for; with `stats`, made once on the same checkpoint loaded whole, any. Progress is of all stages:
 * 'load' after each tensor, 'calibrate' after each batch of a part, 'quantize' after each linear.
 *
 * @throws What `loadCheckpoint`, `calibrate` and `rewriteGraph` throw; InvalidArgumentError for
 * `batches` beside `stats`, of a stream that cannot be read in any order, or of none.
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import * as tf from '@tensorflow/tfjs';
 * import { saveQuantized } from 'tfjs-hadanorm';
 * import { quantizeCheckpoint } from 'tfjs-hadanorm/load';
 * import { checkpointFiles, fileSystem } from 'tfjs-hadanorm/node';
 *
 * const folder = checkpointFiles('test/fixtures/checkpoints/dit');
 * // your own inputs, of real pictures and captions where there are
 * const batches = [100, 500, 900].map((t) => ({
 *   latent: tf.randomNormal([2, 8, 8, 4]),
 *   timestep: tf.tensor1d([t, t]),
 *   label: tf.tensor1d([0, 3], 'int32'),
 * }));
 * const { model, report } = await quantizeCheckpoint(folder, { preset: 'W4A8', batches });
 * console.log(report.totals);
 * await saveQuantized(model, fileSystem(await mkdtemp(join(tmpdir(), 'small-'))));
 * ```
 */
export async function quantizeCheckpoint(
  source: CheckpointSource,
  options: QuantizeCheckpointOptions = {},
): Promise<RewriteResult> {
  const op = 'quantizeCheckpoint';
  const known = [...LOAD_OPTIONS, ...REWRITE_OPTIONS, ...CALIBRATION_OPTIONS];
  return withPlan(op, source, options, known, async (opened) => {
    const { batches, calibrate, stats } = options;
    if (batches !== undefined && stats !== undefined) {
      throw new InvalidArgumentError(op, 'stats', 'absent beside batches', 'both of them');
    }
    if (batches === undefined) {
      if (calibrate !== undefined) {
        throw new InvalidArgumentError(op, 'calibrate', 'absent without batches', 'some options');
      }
      return whole(op, opened, options, stats, (weights, prepared) =>
        quantizedAsItComes(op, opened, weights, prepared),
      );
    }
    const calibration = await blockCalibration(op, opened, batches, calibrate);
    try {
      return await whole(op, opened, options, calibration.stats, (weights, prepared) =>
        quantizedByBlocks(op, opened, weights, prepared, calibration),
      );
    } finally {
      calibration.dispose();
    }
  });
}

/** The model of what `quantized` makes, with the weights that it leaves as they are. */
async function whole(
  op: string,
  opened: Opened,
  { preset, ...rest }: QuantizeCheckpointOptions,
  stats: CalibrationStats | undefined,
  quantized: (weights: Arriving, prepared: PreparedRewrite) => Promise<RewrittenGraph>,
): Promise<RewriteResult> {
  const rewriting = Object.fromEntries(
    Object.entries(rest).filter(([name]) => REWRITE_OPTIONS.includes(name) && name !== 'stats'),
  );
  const usual = stats === undefined ? { method: 'hadamard' as const } : { stats };
  const wanted = { compare: false, ...usual, ...withPreset(op, preset, rewriting) };
  const weights = new Arriving(opened, op);
  const prepared = prepareRewrite(op, () => weights.graph, wanted);
  try {
    return await finished(prepared, weights, await quantized(weights, prepared));
  } catch (error) {
    prepared.builder.dispose();
    weights.dispose();
    throw error;
  }
}

async function finished(
  { builder }: PreparedRewrite,
  weights: Arriving,
  { graph, report }: RewrittenGraph,
): Promise<RewriteResult> {
  const tensors: Record<string, Tensor> = {};
  try {
    for (const name of graph.weights.keys()) {
      tensors[name] = builder.tensors.get(name) ?? (await weights.take(name));
    }
    const model = planned(modelFromTensors(graph, tensors));
    // what one pass made another may have replaced
    for (const [name, made] of builder.tensors) if (!graph.weights.has(name)) made.dispose();
    weights.dispose();
    return { model, report };
  } catch (error) {
    for (const made of Object.values(tensors)) made.dispose();
    throw error;
  }
}
