import type { GraphModel } from '@tensorflow/tfjs-converter';
import { getBackend } from '@tensorflow/tfjs-core';
import { HadaNormError } from '../../ops/numerics/errors.js';
import { KIND } from '../../ops/numerics/kinds.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/ir.js';
import { graphOfModel, modelFromGraph } from '../graph/model.js';
import { verifyGraph } from '../graph/verify.js';
import { weightBytes } from '../graph/weights.js';
import { fuseNodes } from '../passes/fuseGraph.js';
import { type Task, transformKey } from '../quantize/plan.js';
import type { LinearSettings } from '../quantize/settings.js';
import { SiteQuantizer } from '../quantize/siteQuantizer.js';
import { statsFor } from '../quantize/siteStatistics.js';
import type { Transform } from '../quantize/transform.js';
import { activationBehind } from '../recognize/activations.js';
import { type Analysis, analyze } from '../recognize/analysis.js';
import type { QuantizationReport } from '../report/report.js';
import { totalsOf } from '../report/totals.js';
import { emitLinear } from './emit.js';
import { type EmittedTransform, emitTransform } from './emitTransform.js';
import { withPresentNames } from './formerNames.js';
import { checkRewriteOptions, checkSettings } from './optionChecks.js';
import { REWRITE_DEFAULTS, type RewriteOptions } from './options.js';
import { type Change, replaceNodes } from './replace.js';
import { linearReport, untouchedReport } from './reporting.js';
import { settingsFor } from './settings.js';

/** A rewritten model and what was done to it. */
export interface RewriteResult {
  /** Owns its tensors, some of them shared with the original: dispose both, in any order. */
  readonly model: GraphModel;
  readonly report: QuantizationReport;
}

/** How far a rewrite is. */
export interface RewriteProgress {
  /** Linears done, and all there are. */
  readonly done: number;
  readonly total: number;
  /** The linear that was done last. */
  readonly name: string;
}

/** Options of `rewriteGraphAsync`. */
export interface RewriteAsyncOptions extends RewriteOptions {
  /** Cancels between two linears; nothing is left behind. */
  signal?: AbortSignal;
  /** Called after every linear. */
  onProgress?: (progress: RewriteProgress) => void;
}

/** A rewrite was cancelled. */
export class RewriteAbortedError extends HadaNormError {
  static override readonly [KIND] = 'RewriteAbortedError';
  override readonly name = 'AbortError';

  constructor() {
    super('rewriteGraphAsync', 'cancelled; the model is as it was.');
  }
}

/**
 * Quantizes the linears of a diffusion transformer: finds them by structure, puts centering,
 * scaling, rotation and quantization in front of them and packed weights in their place.
 *
 * The original stays as it is. Weights that are not quantized are shared with it, not copied.
 * Without attention in the graph nothing is changed. Blocks until done; `rewriteGraphAsync` is for
 * large models and for pages.
 *
 * @param model A loaded `tf.GraphModel`.
 * @throws InvalidArgumentError for a wrong option, missing statistics, or a `tf.LayersModel` (it
 * says how to convert it); HadamardSizeError for a width that has no Hadamard matrix.
 * Source: HadaNorm, arXiv 2506.09932.
 *
 * @example
 * ```ts
 * import '@tensorflow/tfjs';
 * import { calibrate, reportTable, rewriteGraph } from 'tfjs-hadanorm';
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
  const steps = rewriteSteps(op, model, rest);
  try {
    for (;;) {
      if (signal?.aborted) throw new RewriteAbortedError();
      const { done, value } = steps.next();
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
  const analysis = analyze(graph);
  const builder = new GraphBuilder(graph);
  let finished = false;
  try {
    const changes = yield* quantizeAll(op, analysis, options, builder);
    const rewritten = changes.length === 0 ? graph : finish(graph, builder, changes, options);
    verifyGraph(rewritten, op);
    const report = reportOf(graph, rewritten, analysis, options, changes);
    const result = { model: modelFromGraph(rewritten, model, builder.tensors), report };
    finished = true;
    return result;
  } finally {
    if (!finished) builder.dispose();
  }
}

function finish(
  graph: Graph,
  builder: GraphBuilder,
  changes: readonly Change[],
  { fuse, mode = REWRITE_DEFAULTS.mode }: RewriteOptions,
): Graph {
  const replaced = replaceNodes(graph, builder, changes);
  return (fuse ?? mode === 'integer') ? fuseNodes(replaced, builder) : replaced;
}

/** A transform in the graph, and its bytes in the file. */
interface SharedTransform {
  readonly from: EmittedTransform;
  readonly bytes: number;
}

function* quantizeAll(
  op: string,
  { linears, view }: Analysis,
  options: RewriteOptions,
  builder: GraphBuilder,
): Generator<RewriteProgress, Change[]> {
  const tasks = linears
    .map((placed): Task => {
      const { linear, role } = placed;
      const settings = settingsFor(options, { name: linear.name, role });
      checkSettings(op, linear.name, settings);
      return { placed, settings };
    })
    .filter(({ settings }) => settings.treatment !== 'skip');
  const groups = groupBy(tasks);
  const integer = (options.mode ?? REWRITE_DEFAULTS.mode) === 'integer';
  const changes: Change[] = [];
  for (const group of groups.values()) {
    const [first] = group as [Task];
    const stats = statsFor(op, options, first);
    const work = new SiteQuantizer(op, group, stats, options);
    const emitted = new Map<Transform, SharedTransform>();
    const form = { integer, rotated: group.some(({ settings }) => hasBranch(settings)) };
    for (let i = 0; i < group.length; i++) {
      const outcome = work.outcome(i);
      const { transform, activations, placed } = outcome.planned;
      const made = emitted.get(transform);
      const start = builder.weights.size;
      const from = made?.from ?? emitTransform(builder, placed.site, transform, activations, form);
      const shared = bytesSince(builder, start);
      emitted.set(transform, made ?? { from, bytes: shared });
      const middle = builder.weights.size;
      const whole = outcome.planned.quantized.lowRank === null;
      const behind = integer && whole ? activationBehind(view, placed.linear) : null;
      emitLinear(builder, outcome.planned, from, { integer, behind });
      const apart = group.length > 1 ? (made?.bytes ?? shared) : 0;
      const bytes = { own: bytesSince(builder, middle), shared, apart };
      const report = linearReport(outcome, bytes, { backend: getBackend(), integer });
      changes.push({ linear: placed.linear, behind, nodes: builder.take(), report });
      yield { done: changes.length, total: tasks.length, name: placed.linear.name };
    }
  }
  return changes;
}

/** Whether a linear has a low-rank branch, which reads what is not quantized. */
function hasBranch({ lowRank, weights }: LinearSettings): boolean {
  return lowRank > 0 && weights.format.kind !== 'float32';
}

/** Bytes in the file of the weights that were made since there were `start` of them. */
function bytesSince({ weights }: GraphBuilder, start: number): number {
  return [...weights.values()].slice(start).reduce((sum, weight) => sum + weightBytes(weight), 0);
}

function groupBy(tasks: readonly Task[]): Map<string, Task[]> {
  const groups = new Map<string, Task[]>();
  for (const task of tasks) {
    const key = transformKey(task);
    groups.set(key, [...(groups.get(key) ?? []), task]);
  }
  return groups;
}

function reportOf(
  before: Graph,
  after: Graph,
  { linears }: Analysis,
  options: RewriteOptions,
  changes: readonly Change[],
): QuantizationReport {
  const byName = new Map(changes.map(({ linear, report }) => [linear.name, report]));
  const reports = linears.map(
    (placed) => byName.get(placed.linear.name) ?? untouchedReport(placed),
  );
  const sizeOf = (graph: Graph) =>
    [...graph.weights.values()].reduce((sum, weight) => sum + weightBytes(weight), 0);
  const original = [...before.weights.values()].reduce((sum, { spec }) => {
    const elements = spec.shape.reduce((product, dim) => product * dim, 1);
    return sum + elements * (spec.dtype === 'bool' ? 1 : 4);
  }, 0);
  return {
    version: 1,
    method: options.method ?? REWRITE_DEFAULTS.method,
    linears: reports,
    totals: totalsOf(reports, { before: original, after: sizeOf(after) }),
  };
}
