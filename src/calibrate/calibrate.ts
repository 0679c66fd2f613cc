import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose, type Tensor } from '@tensorflow/tfjs-core';
import { checkBoolean, checkInteger, checkOptions } from '../../ops/common/checks.js';
import { describe, HadaNormError, InvalidArgumentError } from '../../ops/common/errors.js';
import { graphOfModel, modelFromGraph } from '../graph/model.js';
import { analyze, type PlacedLinear } from '../rewrite/analysis.js';
import { type Batch, checkBatch, checkBatches, disposeResults } from './batch.js';
import { Collector } from './collector.js';
import { CalibrationStats } from './stats.js';
import { listen, withTaps } from './tap.js';

export type { Batch } from './batch.js';

/** The input that holds the timesteps, [batch], for statistics by timestep. */
export interface TimestepOptions {
  /** Name of the model's input. */
  readonly input: string;
  /** Without bins, every distinct value counts apart, up to 64 of them; else bins of equal width from min to max. */
  readonly bins?: { readonly min: number; readonly max: number; readonly count: number };
}

/** Options of `calibrate`. */
export interface CalibrateOptions {
  /** Gather what GPTQ rounding needs, 4 d² bytes per site. Default true. */
  hessian?: boolean;
  /** Statistics by timestep. Default none. */
  timestep?: string | TimestepOptions;
  /** Samples per site whose mean is kept. Default 128. */
  means?: number;
  /** Samples per site of which tokens are kept, for measuring; no more than `means`. Default 32. */
  samples?: number;
  /** Tokens kept of each. Default 8. */
  tokensPerSample?: number;
  /** Refuse to start when more memory than this would be needed, in bytes. Default 4 GiB. */
  maxBytes?: number;
  /** Continue from these statistics: the first `resume.batches` batches are skipped. */
  resume?: CalibrationStats;
  /** Dispose each batch's tensors when it is done. Default false. */
  disposeBatches?: boolean;
  /** Cancels between two batches: rejects with a `CalibrationAbortedError` that holds what was gathered. */
  signal?: AbortSignal;
  /** Called after every batch. */
  onProgress?: (progress: CalibrationProgress) => void;
}

/** How far a calibration is. */
export interface CalibrationProgress {
  /** Batches done, skipped ones included. */
  readonly batches: number;
  /** Sites that are observed, and the bytes that their statistics may take. */
  readonly sites: number;
  readonly bytes: number;
}

/** What an absent option means. */
export const CALIBRATE_DEFAULTS = {
  hessian: true,
  means: 128,
  samples: 32,
  tokensPerSample: 8,
  maxBytes: 4 * 2 ** 30,
  disposeBatches: false,
} as const satisfies CalibrateOptions;

/** A calibration was cancelled; `stats` can be resumed from. */
export class CalibrationAbortedError extends HadaNormError {
  override readonly name = 'AbortError';

  constructor(readonly stats: CalibrationStats) {
    super(
      'calibrate',
      `cancelled after ${stats.batches} batches. Pass error.stats as resume to go on from there.`,
    );
  }
}

/** Ops that only run under executeAsync. */
const CONTROL_FLOW =
  /^(Switch|Merge|Enter|Exit|NextIteration|LoopCond|While|StatelessWhile|If|StatelessIf|TensorArray.*|TensorList.*|NonMaxSuppression.*|Where)$/;

/**
 * Runs a model on batches of inputs and gathers what quantization needs to know of each linear's input: mean, variance
 * and largest magnitude of every channel, a few samples, and the Hessian for GPTQ.
 *
 * Memory is bounded: see `calibrationMemory`. Statistics of shards merge to what one pass gives:
 * `(await calibrate(model, a)).merge(await calibrate(model, b))`.
 *
 * @param batches Inputs of the model; for a diffusion model, a few denoising trajectories. Any iterable, also async.
 * @throws InvalidArgumentError for a wrong model or option; CalibrationAbortedError when cancelled.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { calibrate } from 'tfjs-hadanorm';
 * import { buildDit } from '../../models/dit.js';
 * import { seededDitWeights } from '../../models/seeded.js';
 *
 * const config = { inputSize: 8, patchSize: 2, channels: 4, hiddenSize: 32, depth: 1, numHeads: 2, mlpRatio: 4, numClasses: 3 };
 * const model = await tf.loadGraphModel(tf.io.fromMemory(buildDit(config, seededDitWeights(config, 1))));
 * const batches = [0.1, 0.5, 0.9].map((t) => ({
 *   latent: tf.randomNormal([2, 8, 8, 4]),
 *   timestep: tf.fill([2], t),
 *   label: tf.tensor1d([0, 1], 'int32'),
 * }));
 * const stats = await calibrate(model, batches, { timestep: 'timestep', onProgress: console.log });
 * console.log(stats.sites.size, 'tensors observed');
 * ```
 */
export async function calibrate(
  model: GraphModel,
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  options: CalibrateOptions = {},
): Promise<CalibrationStats> {
  const op = 'calibrate';
  const settings = checkCalibrateOptions(op, options);
  checkBatches(op, batches);
  const graph = graphOfModel(op, model);
  const targets = sitesOf(analyze(graph).linears, settings.hessian);
  if (targets.length === 0) {
    const wayOut = 'describeGraph(model) says what is in it.';
    const wanted = 'a model with linears of a transformer';
    throw new InvalidArgumentError(op, 'model', wanted, 'one without', wayOut);
  }
  const bytes = memoryOf(targets, settings);
  if (bytes > settings.maxBytes) {
    const wayOut =
      'Lower means, samples or tokensPerSample, set hessian: false, or raise maxBytes.';
    const got = `${targets.length} sites that need ${bytes} bytes`;
    throw new InvalidArgumentError(
      op,
      'maxBytes',
      `enough: ${settings.maxBytes} allowed`,
      got,
      wayOut,
    );
  }
  const collector = new Collector(targets, settings, options.resume ?? null);
  const sites = targets.map(({ site }) => site);
  const { session, stop } = listen((index, x, like) => collector.observe(index, x, like));
  const dynamic = [...graph.nodes.values()].some((node) => CONTROL_FLOW.test(node.op));
  let tapped: GraphModel | undefined;
  try {
    tapped = modelFromGraph(withTaps(graph, sites, session), model, new Map());
    await run(tapped, batches, options, collector, dynamic, { sites: sites.length, bytes });
  } finally {
    stop();
    tapped?.dispose();
  }
  return collector.stats();
}

/**
 * The bytes that the statistics of a calibration take at most, before it runs.
 * @throws InvalidArgumentError for a wrong model or option.
 */
export function calibrationMemory(model: GraphModel, options: CalibrateOptions = {}): number {
  const op = 'calibrationMemory';
  const settings = checkCalibrateOptions(op, options);
  return memoryOf(sitesOf(analyze(graphOfModel(op, model)).linears, settings.hessian), settings);
}

async function run(
  model: GraphModel,
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  options: CalibrateOptions,
  collector: Collector,
  dynamic: boolean,
  progress: { sites: number; bytes: number },
): Promise<void> {
  const {
    signal,
    onProgress,
    resume,
    disposeBatches = CALIBRATE_DEFAULTS.disposeBatches,
  } = options;
  const cancelled = () => {
    if (signal?.aborted) throw new CalibrationAbortedError(collector.stats());
  };
  let seen = 0;
  cancelled();
  for await (const batch of batches) {
    checkBatch('calibrate', batch, seen);
    seen++;
    try {
      if (seen > (resume?.batches ?? 0)) {
        collector.startBatch(model, batch);
        const run = dynamic ? model.executeAsync(batch) : model.execute(batch);
        disposeResults((await run) as Tensor | Tensor[], batch, model);
        // of control flow only one way is run
        if (!dynamic) collector.checkSeen();
        collector.endBatch();
      }
    } finally {
      if (disposeBatches) dispose(batch);
    }
    onProgress?.({ batches: seen, ...progress });
    // a page stays alive, and a signal can come, between two batches
    await new Promise((resolve) => setTimeout(resolve, 0));
    cancelled();
  }
}

/** One observed tensor. */
export interface Target {
  readonly key: string;
  readonly site: PlacedLinear['site'];
  readonly hessian: boolean;
}

/** All options with their defaults. */
export type CalibrateSettings = Required<
  Pick<CalibrateOptions, 'hessian' | 'means' | 'samples' | 'tokensPerSample' | 'maxBytes'>
> & { readonly timestep: TimestepOptions | null };

/** Every tensor that a linear with a role reads; a Hessian only where a transform is likely. */
function sitesOf(linears: readonly PlacedLinear[], hessian: boolean): Target[] {
  const targets = new Map<string, Target>();
  for (const { key, site, role } of linears) {
    if (role === 'other') continue;
    const wanted = hessian && /ttention|mlp/.test(role);
    targets.set(key, { key, site, hessian: wanted || (targets.get(key)?.hessian ?? false) });
  }
  return [...targets.values()];
}

function memoryOf(targets: readonly Target[], settings: CalibrateSettings): number {
  const { means, samples, tokensPerSample, timestep } = settings;
  const times = timestep === null ? 0 : (timestep.bins?.count ?? 64);
  const perChannel = 32 * (1 + times) + 4 * (means + samples * tokensPerSample);
  return targets.reduce((sum, { site: { d }, hessian }) => {
    return sum + d * perChannel + (hessian ? 4 * d * (d + 1) : 0);
  }, 0);
}

function checkCalibrateOptions(op: string, options: CalibrateOptions): CalibrateSettings {
  checkOptions(op, options, [
    ...['hessian', 'timestep', 'means', 'samples', 'tokensPerSample', 'maxBytes', 'resume'],
    ...['disposeBatches', 'signal', 'onProgress'],
  ]);
  const defaults = CALIBRATE_DEFAULTS;
  const { timestep, resume, disposeBatches = false, hessian = defaults.hessian } = options;
  const { means = defaults.means, samples = Math.min(defaults.samples, means) } = options;
  const { tokensPerSample = defaults.tokensPerSample, maxBytes = defaults.maxBytes } = options;
  checkBoolean(op, 'hessian', hessian);
  checkBoolean(op, 'disposeBatches', disposeBatches);
  checkInteger(op, 'means', means, 1, 65_536);
  checkInteger(op, 'samples', samples, 1, means);
  checkInteger(op, 'tokensPerSample', tokensPerSample, 1, 65_536);
  checkInteger(op, 'maxBytes', maxBytes, 1);
  if (resume !== undefined && !(resume instanceof CalibrationStats)) {
    throw new InvalidArgumentError(op, 'resume', 'CalibrationStats', describe(resume));
  }
  const time = checkTimestep(op, timestep);
  return { hessian, means, samples, tokensPerSample, maxBytes, timestep: time };
}

function checkTimestep(op: string, timestep: CalibrateOptions['timestep']): TimestepOptions | null {
  if (timestep === undefined) return null;
  const time = typeof timestep === 'string' ? { input: timestep } : timestep;
  checkOptions(op, time, ['input', 'bins'], 'timestep');
  if (typeof time.input !== 'string') {
    const got = describe(time.input);
    throw new InvalidArgumentError(op, 'timestep.input', 'the name of an input', got);
  }
  if (time.bins === undefined) return time;
  checkOptions(op, time.bins, ['min', 'max', 'count'], 'timestep.bins');
  const { min, max, count } = time.bins;
  checkInteger(op, 'timestep.bins.count', count, 1, 4096);
  if (!(Number.isFinite(min) && Number.isFinite(max) && min < max)) {
    throw new InvalidArgumentError(op, 'timestep.bins', 'with min < max', `[${min}, ${max}]`);
  }
  return time;
}
