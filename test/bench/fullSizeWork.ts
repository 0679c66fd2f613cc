import type { GraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import type { Progress } from '../../ops/common/progress.js';
import type { RewriteResult } from '../../src/index.js';
import { type CheckpointSource, quantizeCheckpoint } from '../../src/load.js';
import { FULL_SIZE, type FullSizeName } from './fullSizeModels.js';

/** What is done to a model at full size. */
export interface FullSizeWork {
  readonly model: FullSizeName;
  readonly method: 'rtn' | 'hadamard' | 'hadanorm';
  /** With hadanorm: batches to calibrate on, and samples of each. */
  readonly batches: number;
  readonly samples: number;
}

/** Quantizes its checkpoint; `told` gets progress, and the milliseconds since the last. */
export async function quantizeFullSize(
  source: CheckpointSource,
  work: FullSizeWork,
  told: (progress: Progress, ms: number) => void,
): Promise<RewriteResult> {
  const { sizes } = FULL_SIZE[work.model];
  const { method } = work;
  const calibration =
    method === 'hadanorm'
      ? { batches: batchesOf(work), calibrate: { disposeBatches: true } }
      : undefined;
  let last = performance.now();
  const onProgress = (progress: Progress) => {
    const now = performance.now();
    told(progress, now - last);
    last = now;
  };
  return quantizeCheckpoint(source, { ...sizes, method, ...calibration, onProgress });
}

/** Seeded inputs to calibrate on. */
export function batchesOf({ model, batches, samples }: FullSizeWork): tf.NamedTensorMap[] {
  return Array.from({ length: batches }, (_, i) => FULL_SIZE[model].inputs(samples, 100 + i));
}

/** Times of stages, in milliseconds, as text. */
export function partsOf(stages: ReadonlyMap<string, number>): string {
  return [...stages].map(([stage, ms]) => `${stage} ${(ms / 1e3).toFixed(1)} s`).join(', ');
}

/** What a report says of it, in lines. */
export function toldOf(
  { report }: Pick<RewriteResult, 'report'>,
  stages: ReadonlyMap<string, number>,
): string[] {
  const { sqnr, linearBytes } = report.totals;
  const [before, after] = [linearBytes.before / 1e9, linearBytes.after / 1e9];
  const measured = sqnr === null ? [] : [`output SQNR: ${sqnr.output.toFixed(2)} dB on average`];
  return [
    `of that: ${partsOf(stages)}`,
    `linears: ${before.toFixed(2)} GB to ${after.toFixed(2)} GB`,
    ...measured,
  ];
}

/** Runs the packed model once. @throws Error where it gives what are no numbers. */
export async function stepOf(packed: GraphModel, model: FullSizeName): Promise<void> {
  const inputs = FULL_SIZE[model].inputs(1);
  const output = packed.predict(inputs) as tf.Tensor;
  const numbers = await output.data();
  if (!numbers.every(Number.isFinite)) throw new Error('the step gives NaN or Infinity');
  tf.dispose([output, inputs]);
}
