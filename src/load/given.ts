import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose } from '@tensorflow/tfjs-core';
import { throwIfAborted } from '../../ops/common/callers.js';
import { checkInteger, checkPlain } from '../../ops/common/checks.js';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import {
  CALIBRATE_DEFAULTS,
  type CalibrateOptions,
  type CalibrateSettings,
  checkCalibrateOptions,
} from '../calibrate/settings.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import { CalibrationStats } from '../calibrate/stats.js';
import { type Batch, checkBatch, checkBatches, tensorsIn } from '../feed/batch.js';
import { checkInputs } from '../feed/batchInputs.js';
import { modelFromTensors } from '../graph/model.js';
import type { Opened } from './opening.js';

/** Inputs of a checkpoint's model, or what gives them once its inputs are known. */
export type CheckpointBatches =
  | Iterable<Batch>
  | AsyncIterable<Batch>
  | ((
      model: Pick<GraphModel, 'inputs'>,
    ) => Iterable<Batch> | AsyncIterable<Batch> | Promise<Iterable<Batch> | AsyncIterable<Batch>>);

/** How a checkpoint is calibrated. */
export interface CheckpointCalibration
  extends Omit<CalibrateOptions, 'signal' | 'onProgress' | 'resume' | 'tokenMask' | 'maxBytes'> {
  /**
   * Bytes in float32 of the weights that are there together, or what one linear has. Default
   * 64 MiB.
   */
  readonly partBytes?: number;
}

/** What an absent option means, beside those of `calibrate`. */
export const PART_BYTES = 64 * 2 ** 20;

/** What a checkpoint is calibrated on, part by part. */
export interface BlockCalibration {
  readonly batches: readonly Batch[];
  readonly settings: CalibrateSettings;
  readonly partBytes: number;
  /** What parts put there while linears need it, and what the rewrite reads of it. */
  readonly sites: Map<string, SiteStats>;
  readonly stats: CalibrationStats;
  /** Disposes of batches where that was asked for. */
  readonly dispose: () => void;
}

const OPTIONS = [
  ...['hessian', 'timestep', 'means', 'samples', 'tokensPerSample', 'disposeBatches'],
  'partBytes',
];

/**
 * All batches, checked against the model's inputs.
 * @throws InvalidArgumentError for none, for wrong ones, and for a source that has an order.
 */
export async function blockCalibration(
  op: string,
  opened: Opened,
  given: CheckpointBatches,
  options: CheckpointCalibration = {},
): Promise<BlockCalibration> {
  const { partBytes = PART_BYTES, ...rest } = checked(op, options);
  checkInteger(op, 'calibrate.partBytes', partBytes, 1);
  const settings = checkCalibrateOptions(op, rest);
  if (!opened.checkpoint.readsAnywhere) {
    const wanted = 'absent for a server without range requests, whose files have one order';
    throw new InvalidArgumentError(op, 'batches', wanted, 'some', 'Load the checkpoint whole.');
  }
  const { disposeBatches = CALIBRATE_DEFAULTS.disposeBatches } = rest;
  const batches: Batch[] = [];
  const done = () => {
    if (disposeBatches) dispose(batches.flatMap(tensorsIn));
  };
  try {
    await gather(op, opened, given, batches);
  } catch (error) {
    done();
    throw error;
  }
  const sites = new Map<string, SiteStats>();
  const { means, samples, tokensPerSample } = settings;
  const stats = new CalibrationStats(batches.length, sites, { means, samples, tokensPerSample });
  return { batches, settings, partBytes, sites, stats, dispose: done };
}

async function gather(
  op: string,
  { plan: { graph }, watch }: Opened,
  given: CheckpointBatches,
  batches: Batch[],
): Promise<void> {
  // no weights: it only tells the inputs
  const model = modelFromTensors(graph, {});
  const all = typeof given === 'function' ? await given(model) : given;
  checkBatches(op, all);
  for await (const batch of all) {
    throwIfAborted(op, watch.signal);
    const name = `batches[${batches.length}]`;
    checkBatch(op, batch, name);
    batches.push(batch);
    checkInputs(op, { model, graph, outputs: graph.outputs }, batch, name);
  }
  if (batches.length > 0) return;
  const wayOut = 'An iterable that was used up gives none: pass new ones.';
  throw new InvalidArgumentError(op, 'batches', 'one batch at least', 'none', wayOut);
}

function checked(op: string, options: CheckpointCalibration): CheckpointCalibration {
  checkPlain(op, 'calibrate', options);
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(op, 'calibrate', `some of ${OPTIONS.join(', ')}`, unknown);
  }
  return options;
}
