import type { GraphModel } from '@tensorflow/tfjs-converter';
import { dispose, type Tensor } from '@tensorflow/tfjs-core';
import { bringToHost, throughout } from '../../ops/common/alive.js';
import { AbortedError, HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { KIND } from '../../ops/numerics/kinds.js';
import {
  type Batch,
  checkBatch,
  checkBatches,
  countOf,
  disposeResults,
  tensorsIn,
} from '../feed/batch.js';
import { checkInputs } from '../feed/batchInputs.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/ir.js';
import { graphOfModel, modelFromGraph, weightsOnHost, weightTensors } from '../graph/model.js';
import { runnableNodes } from '../passes/runnable.js';
import { analyze, whatIsThere } from '../recognize/analysis.js';
import { withMasks } from '../recognize/emitMask.js';
import { inNormalForm, normalizeNodes } from '../recognize/normalize/normalize.js';
import { checkMatched, chooseMasks } from '../recognize/tokenMaskOption.js';
import { type AnyModel, givenModel, withGiven } from '../trace/given.js';
import { Collector } from './collector.js';
import { hasControlFlow } from './controlFlow.js';
import {
  CALIBRATE_DEFAULTS,
  type CalibrateOptions,
  type CalibrateSettings,
  checkCalibrateOptions,
  type Target,
} from './settings.js';
import { Shown } from './shown.js';
import type { CalibrationStats } from './stats.js';
import { listen, withTaps } from './tap.js';
import { masksOf, memoryOf, sitesOf } from './targets.js';

export type { Batch } from '../feed/batch.js';

/** A calibration was cancelled; `stats` can be resumed from. */
export class CalibrationAbortedError extends AbortedError {
  static override readonly [KIND] = 'CalibrationAbortedError';

  constructor(
    readonly stats: CalibrationStats,
    reason?: unknown,
    done = `${stats.batches} batches`,
  ) {
    super(
      'calibrate',
      reason,
      `cancelled after ${done}. Pass error.stats as resume to go on from there.`,
    );
  }
}

/**
 * Runs a model on batches of inputs and gathers what quantization needs to know of each linear's
 * input: mean, variance and largest magnitude of every channel, a few samples, and the Hessian for
 * GPTQ.
 *
 * What runs is the model in normal form, its products as every backend runs them rightly, so that
 * statistics of one backend serve another.
 *
 * Memory is bounded: see `calibrationMemory`. Statistics of shards merge to what one pass gives:
 * `(await calibrate(model, a)).merge(await calibrate(model, b))`.
 *
 * @param model A loaded `tf.GraphModel`; or a `tf.LayersModel`, converted as by `toGraphModel`.
 * @param batches Inputs of the model; for a diffusion model, a few denoising trajectories. Any
 * iterable, also async.
 * @throws InvalidArgumentError for a wrong model or option; CalibrationAbortedError when cancelled;
 * WebglContextLostError, WebgpuDeviceLostError where the backend's device is lost.
 *
 * @example
 * ```ts
 * import '@tensorflow/tfjs';
 * import { calibrate } from 'tfjs-hadanorm';
 * import { tinyDit, tinyInputs } from '../../models/tinyDit.js';
 *
 * const model = await tinyDit(); // your own: await tf.loadGraphModel(url)
 * const batches = [0.1, 0.5, 0.9].map((t) => tinyInputs([t, t])); // latents, timesteps, labels
 * const stats = await calibrate(model, batches, { timestep: 'timestep', onProgress: console.log });
 * console.log(stats.sites.size, 'tensors observed');
 * ```
 */
export async function calibrate(
  model: AnyModel,
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  options: CalibrateOptions = {},
): Promise<CalibrationStats> {
  const op = 'calibrate';
  const settings = checkCalibrateOptions(op, options);
  checkBatches(op, batches);
  const { model: graphModel, done } = givenModel(op, model);
  try {
    return await calibrated(op, graphModel, batches, options, settings);
  } finally {
    done();
  }
}

async function calibrated(
  op: string,
  model: GraphModel,
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  options: CalibrateOptions,
  settings: CalibrateSettings,
): Promise<CalibrationStats> {
  await weightsOnHost(op, model, 'small');
  const graph = graphOfModel(op, model);
  const builder = new GraphBuilder(graph);
  let tapped: GraphModel | undefined;
  let stop = () => {};
  try {
    const normal = normalizeNodes(op, graph, builder);
    const targets = targetsOf(op, normal, settings);
    const { graph: masked, refs } = withMasks(normal, builder, masksOf(targets));
    const bytes = memoryOf(targets, settings);
    const collector = new Collector(targets, settings);
    const shown = new Shown(collector);
    const listening = listen((index, tapped) => shown.see(index, tapped));
    stop = listening.stop;
    const sites = targets.map(({ key, site }) => ({ ...site, mask: refs.get(key) ?? null }));
    const runnable = withTaps(runnableNodes(op, masked, builder), sites, listening.session);
    tapped = modelFromGraph(runnable, model, builder.tensors);
    const dynamic = hasControlFlow(graph);
    const observer = { collector, shown, dynamic };
    await run(tapped, graph, batches, options, observer, { sites: sites.length, bytes });
    return collector.stats();
  } finally {
    stop();
    // the model has taken over what was made, where there is one
    if (tapped === undefined) builder.dispose();
    tapped?.dispose();
  }
}

/**
 * The bytes that the statistics of a calibration take at most, before it runs.
 * @throws InvalidArgumentError for a wrong model or option.
 */
export function calibrationMemory(model: AnyModel, options: CalibrateOptions = {}): number {
  const op = 'calibrationMemory';
  const settings = checkCalibrateOptions(op, options);
  return withGiven(op, model, (graphModel) => {
    const { linears } = inNormalForm(op, graphOfModel(op, graphModel), analyze);
    return memoryOf(sitesOf(linears, settings.hessian, new Map()), settings);
  });
}

/** @throws InvalidArgumentError where there is nothing to observe, or too much. */
function targetsOf(op: string, graph: Graph, settings: CalibrateSettings): Target[] {
  const analysis = analyze(graph);
  const chosen = chooseMasks(op, analysis, settings.tokenMask);
  checkMatched(op, chosen);
  const targets = sitesOf(analysis.linears, settings.hessian, chosen.masks);
  if (targets.length === 0) {
    const wayOut = 'describeGraph(model) says what is in it.';
    const wanted = 'a model with linears of a transformer';
    const got = `one without: ${whatIsThere(analysis)}`;
    throw new InvalidArgumentError(op, 'model', wanted, got, wayOut);
  }
  const bytes = memoryOf(targets, settings);
  if (bytes > settings.maxBytes) {
    const wanted = `enough: ${settings.maxBytes} allowed`;
    const got = `${targets.length} sites that need ${bytes} bytes`;
    const wayOut =
      'Lower means, samples or tokensPerSample, set hessian: false, or raise maxBytes.';
    throw new InvalidArgumentError(op, 'maxBytes', wanted, got, wayOut);
  }
  return targets;
}

async function run(
  model: GraphModel,
  graph: Graph,
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  options: CalibrateOptions,
  observer: Observer,
  progress: { sites: number; bytes: number },
): Promise<void> {
  const {
    signal,
    onProgress,
    resume,
    disposeBatches = CALIBRATE_DEFAULTS.disposeBatches,
  } = options;
  const { collector } = observer;
  const cancelled = () => {
    if (signal?.aborted) throw new CalibrationAbortedError(collector.stats(), signal.reason);
  };
  const fed = { model, graph, outputs: graph.outputs };
  const total = countOf(batches);
  let seen = 0;
  cancelled();
  for await (const batch of batches) {
    checkBatch('calibrate', batch, `batches[${seen}]`);
    seen++;
    try {
      if (seen > (resume?.batches ?? 0)) {
        checkInputs('calibrate', fed, batch, `batches[${seen - 1}]`);
        await observe(model, batch, observer);
      }
    } finally {
      if (disposeBatches) dispose(batch);
    }
    onProgress?.({ stage: 'calibrate', done: seen, total, name: '', batches: seen, ...progress });
    // a page stays alive, and a signal can come, between two batches
    await new Promise((resolve) => setTimeout(resolve, 0));
    cancelled();
  }
}

/** Who takes what a batch gives. */
interface Observer {
  readonly collector: Collector;
  readonly shown: Shown;
  readonly dynamic: boolean; // has control flow
}

/** Runs the model on a batch, which counts where the device was there until the end. */
async function observe(
  model: GraphModel,
  batch: Batch,
  { collector, shown, dynamic }: Observer,
): Promise<void> {
  const tensors = [...tensorsIn(batch), ...weightTensors(model)];
  try {
    await throughout('calibrate', tensors, async () => {
      await bringToHost('calibrate', tensorsIn(batch));
      collector.startBatch(model, batch);
      const results = await ran(model, batch, dynamic);
      disposeResults(results as Tensor | Tensor[], batch, model);
      await shown.settle();
      // of control flow only one way is run
      if (!dynamic) collector.checkSeen();
    });
  } finally {
    shown.clear();
  }
  collector.endBatch();
}

/** @throws HadaNormError for inputs that the model's own ops refuse, as a class that it lacks. */
async function ran(model: GraphModel, batch: Batch, dynamic: boolean): Promise<unknown> {
  try {
    return await (dynamic ? model.executeAsync(batch) : model.execute(batch));
  } catch (cause) {
    if (cause instanceof HadaNormError || !(cause instanceof Error)) throw cause;
    const problem = `the model refuses a batch: ${cause.message}. Look at its values.`;
    throw Object.assign(new HadaNormError('calibrate', problem), { cause });
  }
}
