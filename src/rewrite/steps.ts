import type { Progress } from '../../ops/common/progress.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/ir.js';
import { verifyGraph } from '../graph/verify.js';
import { fuseNodes } from '../passes/fuseGraph.js';
import { runnableNodes } from '../passes/runnable.js';
import { groupsOf, type Task } from '../quantize/plan.js';
import { type Analysis, analyze } from '../recognize/analysis.js';
import { applyPasses, type Match, type Places, passSteps } from '../recognize/normalize/engine.js';
import { normalizeNodes } from '../recognize/normalize/normalize.js';
import { chooseMasks } from '../recognize/tokenMaskOption.js';
import type { QuantizationReport } from '../report/report.js';
import { FORMAT_VERSION } from '../save/format.js';
import { EmbeddingPass, quantizesTables } from './embeddings.js';
import { withPresentNames } from './formerNames.js';
import { maskNotes } from './maskNotes.js';
import { modelReport } from './modelReport.js';
import { notesOf } from './notes.js';
import { checkAsked, quantizedAlready } from './nothingToQuantize.js';
import { checkRewriteOptions } from './optionChecks.js';
import { REWRITE_DEFAULTS, type RewriteOptions } from './options.js';
import { QuantizePass } from './quantizePass.js';
import { tasksFor } from './settings.js';

/** How far a rewrite is: linears done, all there are, and the one that was done last. */
export interface RewriteProgress extends Progress {
  readonly stage: 'quantize';
  readonly total: number;
}

/** A graph whose linears were found, and of which none is quantized yet. */
export interface PreparedRewrite {
  readonly op: string;
  readonly options: RewriteOptions;
  readonly graph: Graph;
  /** Holds what is made: dispose of it where it comes to nothing. */
  readonly builder: GraphBuilder;
  readonly normal: Graph;
  readonly analysis: Analysis;
  readonly masks: ReturnType<typeof chooseMasks>;
  /** The linears to quantize, together those that share a transform. */
  readonly groups: readonly (readonly Task[])[];
}

/** A rewritten graph, its new weights in the builder, and what was done to it. */
export interface RewrittenGraph {
  readonly graph: Graph;
  readonly report: QuantizationReport;
}

/**
 * Checks options, and finds what there is to do. Of weights only small constants are read.
 * @param graphOf Gives the graph, once the options are right.
 */
export function prepareRewrite(
  op: string,
  graphOf: () => Graph,
  given: RewriteOptions,
): PreparedRewrite {
  const options = withPresentNames(op, given);
  checkRewriteOptions(op, options);
  const graph = graphOf();
  verifyGraph(graph, op);
  const builder = new GraphBuilder(graph);
  try {
    const normal = normalizeNodes(op, graph, builder);
    const analysis = analyze(normal);
    const masks = chooseMasks(op, analysis, options.tokenMask);
    const tasks = tasksFor(op, analysis.linears, options);
    if (tasks.length === 0) checkAsked(op, graph, analysis.linears, options);
    return { op, options, graph, builder, normal, analysis, masks, groups: groupsOf(tasks) };
  } catch (error) {
    builder.dispose();
    throw error;
  }
}

/**
 * Quantizes a linear with each step, group by group in the order given: before the first linear of
 * a group all of its weights must be there, and need not be any more once the last is done. So must
 * the statistics of its site.
 * @param places As `passSteps` has it.
 */
export function* quantizeSteps(
  { op, options, graph, builder, normal, analysis, masks }: PreparedRewrite,
  groups: readonly (readonly Task[])[],
  places: Places = new Map(),
): Generator<RewriteProgress, RewrittenGraph> {
  const { view, linears } = analysis;
  const pass = new QuantizePass(op, groups, options, masks.masks);
  const total = groups.flat().length;
  const quantized = yield* progressOf(passSteps(op, view, builder, pass, places), total);
  const tables = new EmbeddingPass();
  const rewritten = quantized === normal ? graph : finish(op, quantized, builder, options, tables);
  const method = options.method ?? REWRITE_DEFAULTS.method;
  const notes = [
    ...notesOf(linears, pass.done, quantizedAlready(graph), options),
    ...maskNotes(masks, pass.done, options.stats),
  ];
  const report = modelReport(
    method,
    linears,
    pass.reports,
    graph,
    rewritten,
    tables.reports,
    notes,
  );
  return { graph: rewritten, report };
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

/** A quantized graph has small tables too, says so, and is fused where that is wanted. */
function finish(
  op: string,
  quantized: Graph,
  builder: GraphBuilder,
  options: RewriteOptions,
  tables: EmbeddingPass,
): Graph {
  const { fuse, mode = REWRITE_DEFAULTS.mode } = options;
  const small = quantizesTables(options)
    ? applyPasses(op, quantized, builder, [tables])
    : quantized;
  const hadanorm = { version: FORMAT_VERSION };
  const userDefinedMetadata = { ...small.artifacts.userDefinedMetadata, hadanorm };
  const marked = { ...small, artifacts: { ...small.artifacts, userDefinedMetadata } };
  const fused = (fuse ?? mode === 'integer') ? fuseNodes(marked, builder) : marked;
  // what tfjs lacks or gets wrong is so in any mode; it is gone where the graph was fused
  return runnableNodes(op, fused, builder);
}
