import type { GraphModel } from '@tensorflow/tfjs-converter';
import { checkBackends } from '../../ops/common/alive.js';
import { checkCallback, checkSignal } from '../../ops/common/callers.js';
import { AbortedError } from '../../ops/numerics/errors.js';
import { KIND } from '../../ops/numerics/kinds.js';
import {
  graphOfModel,
  modelFromGraph,
  stillThere,
  weightsOnHost,
  weightTensors,
} from '../graph/model.js';
import { planned } from '../plan/planned.js';
import type { QuantizationReport } from '../report/report.js';
import { type AnyModel, givenModel, withGiven } from '../trace/given.js';
import { checkRewriteOptions } from './optionChecks.js';
import type { RewriteOptions } from './options.js';
import { prepareRewrite, quantizeSteps, type RewriteProgress } from './steps.js';

export type { RewriteProgress } from './steps.js';

/** A rewritten model and what was done to it. */
export interface RewriteResult {
  /** Owns its tensors, some of them shared with the original: dispose both, in any order. */
  readonly model: GraphModel;
  readonly report: QuantizationReport;
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
 * @param model A loaded `tf.GraphModel`; or a `tf.LayersModel`, converted as by `toGraphModel`.
 * @throws InvalidArgumentError for a wrong option, missing statistics or another model;
 * HadamardSizeError for a width that has no Hadamard matrix, where a rotation is asked for by name:
 * method 'hadamard', `rotate: true` or a `blockSize`. Elsewhere it is left out, and the report says
 * so for the linear. NothingToQuantizeError for a model in which there is nothing to quantize,
 * unless a rule with treatment 'skip' or `weightOnly: false` leaves it all alone. TraceError for a
 * LayersModel that cannot be converted. WebglContextLostError, WebgpuDeviceLostError where the
 * backend's device is lost.
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
export function rewriteGraph(model: AnyModel, options: RewriteOptions = {}): RewriteResult {
  return withGiven('rewriteGraph', model, (graphModel) => {
    const steps = rewriteSteps('rewriteGraph', graphModel, options);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
    }
  });
}

/**
 * As `rewriteGraph`, a linear at a time: the page stays alive, progress is reported, and a signal
 * cancels.
 *
 * @throws RewriteAbortedError (name 'AbortError') when cancelled, and what `rewriteGraph` throws.
 */
export async function rewriteGraphAsync(
  model: AnyModel,
  options: RewriteAsyncOptions = {},
): Promise<RewriteResult> {
  const op = 'rewriteGraphAsync';
  // null has nothing to take out
  if (options === null) checkRewriteOptions(op, options);
  const { signal, onProgress } = options;
  checkSignal(op, signal);
  checkCallback(op, 'onProgress', onProgress);
  const { model: graphModel, done } = givenModel(op, model);
  try {
    return await rewritten(op, graphModel, options);
  } finally {
    done();
  }
}

async function rewritten(
  op: string,
  model: GraphModel,
  { signal, onProgress, ...rest }: RewriteAsyncOptions,
): Promise<RewriteResult> {
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
  options: RewriteOptions,
): Generator<RewriteProgress, RewriteResult> {
  const prepared = prepareRewrite(op, () => graphOfModel(op, model), options);
  let finished = false;
  try {
    const { graph, report } = yield* quantizeSteps(prepared, prepared.groups);
    checkBackends(op, weightTensors(model));
    const made = planned(modelFromGraph(graph, model, prepared.builder.tensors));
    finished = true;
    return { model: made, report };
  } finally {
    if (!finished) prepared.builder.dispose();
  }
}
