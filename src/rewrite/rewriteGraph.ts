import type { GraphModel } from '@tensorflow/tfjs-converter';
import { checkBackends } from '../../ops/common/alive.js';
import { checkCallback, checkSignal } from '../../ops/common/callers.js';
import type { Progress } from '../../ops/common/progress.js';
import { AbortedError } from '../../ops/numerics/errors.js';
import { KIND } from '../../ops/numerics/kinds.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/ir.js';
import {
  graphOfModel,
  modelFromGraph,
  stillThere,
  weightsOnHost,
  weightTensors,
} from '../graph/model.js';
import { verifyGraph } from '../graph/verify.js';
import { fuseNodes } from '../passes/fuseGraph.js';
import { runnableNodes } from '../passes/runnable.js';
import { analyze } from '../recognize/analysis.js';
import { type Match, passSteps } from '../recognize/normalize/engine.js';
import { normalizeNodes } from '../recognize/normalize/normalize.js';
import { chooseMasks } from '../recognize/tokenMaskOption.js';
import type { QuantizationReport } from '../report/report.js';
import { FORMAT_VERSION } from '../save/format.js';
import { withPresentNames } from './formerNames.js';
import { maskNotes } from './maskNotes.js';
import { modelReport } from './modelReport.js';
import { notesOf } from './notes.js';
import { checkAsked, quantizedAlready } from './nothingToQuantize.js';
import { checkRewriteOptions } from './optionChecks.js';
import { REWRITE_DEFAULTS, type RewriteOptions } from './options.js';
import { QuantizePass } from './quantizePass.js';
import { tasksFor } from './settings.js';

/** A rewritten model and what was done to it. */
export interface RewriteResult {
  /** Owns its tensors, some of them shared with the original: dispose both, in any order. */
  readonly model: GraphModel;
  readonly report: QuantizationReport;
}

/** How far a rewrite is: linears done, all there are, and the one that was done last. */
export interface RewriteProgress extends Progress {
  readonly stage: 'quantize';
  readonly total: number;
}

/** Options of `rewriteGraphAsync`. */
export interface RewriteAsyncOptions extends RewriteOptions {
  /** Cancels between two linears; nothing is left behind. */
  signal?: AbortSignal;
  /** Called after every linear. */
  onProgress?: (progress: RewriteProgress) => void;
}

/** A rewrite was cancelled. */
export class RewriteAbortedError extends AbortedError {
  static override readonly [KIND] = 'RewriteAbortedError';

  constructor(reason?: unknown) {
    super('rewriteGraphAsync', reason, 'cancelled; the model is as it was.');
  }
}

/**
 * Quantizes the linears of a diffusion transformer: finds them by structure, puts centering,
 * scaling, rotation and quantization in front of them and packed weights in their place.
 *
 * The original stays as it is. Weights that are not quantized are shared with it, not copied.
 * Linears without a role in a transformer are left alone unless a rule has a treatment for them.
 * What one could think was done and was not, is in the report's `notes`. Blocks until done;
 * `rewriteGraphAsync` is for large models and for pages.
 *
 * @param model A loaded `tf.GraphModel`.
 * @throws InvalidArgumentError for a wrong option, missing statistics, or a `tf.LayersModel` (it
 * says how to convert it); HadamardSizeError for a width that has no Hadamard matrix, where a
 * rotation is asked for by name: method 'hadamard', `rotate: true` or a `blockSize`. Elsewhere it
 * is left out, and the report says so for the linear. NothingToQuantizeError for a model in which
 * there is nothing to quantize, unless a rule with treatment 'skip' or `weightOnly: false` leaves
 * it all alone. WebglContextLostError, WebgpuDeviceLostError where the backend's device is lost.
 * Source: HadaNorm, arXiv 2506.09932.
 *
 * @example
 * ```ts
 * import '@tensorflow/tfjs';
 * import { calibrate, rewriteGraph } from 'tfjs-hadanorm';
 * import { reportTable } from 'tfjs-hadanorm/report';
 * import { tinyDit, tinyInputs } from '../../models/tinyDit.js';
 *
 * const model = await tinyDit(); // your own: await tf.loadGraphModel(url)
 * const stats = await calibrate(model, [0.1, 0.5, 0.9].map((t) => tinyInputs([t, t])));
 * const { model: small, report } = rewriteGraph(model, {
 *   stats,
 *   weights: { bits: 4 },
 *   activations: { bits: 8 },
 *   rules: [{ role: 'mlp.out', weights: { bits: 8 } }],
 * });
 * console.log(reportTable(report));
 * const velocity = small.predict(tinyInputs([0.3]));
 * ```
 */
export function rewriteGraph(model: GraphModel, options: RewriteOptions = {}): RewriteResult {
  const steps = rewriteSteps('rewriteGraph', model, options);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/**
 * As `rewriteGraph`, a linear at a time: the page stays alive, progress is reported, and a signal
 * cancels.
 *
 * @throws RewriteAbortedError (name 'AbortError') when cancelled, and what `rewriteGraph` throws.
 */
export async function rewriteGraphAsync(
  model: GraphModel,
  options: RewriteAsyncOptions = {},
): Promise<RewriteResult> {
  const op = 'rewriteGraphAsync';
  // null has nothing to take out
  if (options === null) checkRewriteOptions(op, options);
  const { signal, onProgress, ...rest } = options;
  checkSignal(op, signal);
  checkCallback(op, 'onProgress', onProgress);
  await weightsOnHost(op, model, 'all');
  const steps = rewriteSteps(op, model, rest);
  try {
    for (;;) {
      if (signal?.aborted) throw new RewriteAbortedError(signal.reason);
      const { done, value } = steps.next();
      await stillThere(op, model, done ? value.model : null);
      if (done) return value;
      onProgress?.(value);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  } finally {
    // gives up what was made when it was cancelled, or when onProgress threw
    steps.return(undefined as never);
  }
}

function* rewriteSteps(
  op: string,
  model: GraphModel,
  given: RewriteOptions,
): Generator<RewriteProgress, RewriteResult> {
  const options = withPresentNames(op, given);
  checkRewriteOptions(op, options);
  const graph = graphOfModel(op, model);
  verifyGraph(graph, op);
  const builder = new GraphBuilder(graph);
  let finished = false;
  try {
    const normal = normalizeNodes(op, graph, builder);
    const analysis = analyze(normal);
    const { view, linears } = analysis;
    const chosen = chooseMasks(op, analysis, options.tokenMask);
    const tasks = tasksFor(op, linears, options);
    if (tasks.length === 0) checkAsked(op, graph, linears, options);
    const pass = new QuantizePass(op, tasks, options, chosen.masks);
    const quantized = yield* progressOf(passSteps(op, view, builder, pass), tasks.length);
    const rewritten = quantized === normal ? graph : finish(op, quantized, builder, options);
    const method = options.method ?? REWRITE_DEFAULTS.method;
    const notes = [
      ...notesOf(linears, pass.done, quantizedAlready(graph), options),
      ...maskNotes(chosen, pass.done, options.stats),
    ];
    const report = modelReport(method, linears, pass.reports, graph, rewritten, notes);
    checkBackends(op, weightTensors(model));
    const result = { model: modelFromGraph(rewritten, model, builder.tensors), report };
    finished = true;
    return result;
  } finally {
    if (!finished) builder.dispose();
  }
}

function* progressOf(
  steps: Generator<Match, Graph>,
  total: number,
): Generator<RewriteProgress, Graph> {
  for (let done = 1; ; done++) {
    const step = steps.next();
    if (step.done) return step.value;
    yield { stage: 'quantize', done, total, name: step.value.at };
  }
}

/** A quantized graph says so, and is fused where that is wanted. */
function finish(
  op: string,
  quantized: Graph,
  builder: GraphBuilder,
  { fuse, mode = REWRITE_DEFAULTS.mode }: RewriteOptions,
): Graph {
  const hadanorm = { version: FORMAT_VERSION };
  const userDefinedMetadata = { ...quantized.artifacts.userDefinedMetadata, hadanorm };
  const marked = { ...quantized, artifacts: { ...quantized.artifacts, userDefinedMetadata } };
  const fused = (fuse ?? mode === 'integer') ? fuseNodes(marked, builder) : marked;
  // what tfjs lacks or gets wrong is so in any mode; it is gone where the graph was fused
  return runnableNodes(op, fused, builder);
}
