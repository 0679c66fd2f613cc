import type { GraphModel } from '@tensorflow/tfjs-converter';
import { reshape, type Tensor } from '@tensorflow/tfjs-core';
import { bringToHost, checkBackends, throughout } from '../../ops/common/alive.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { CalibrationAbortedError } from '../calibrate/calibrate.js';
import { PairCollector } from '../calibrate/pairCollector.js';
import type { CalibrateSettings, Target } from '../calibrate/settings.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import { CalibrationStats } from '../calibrate/stats.js';
import { masksOf, sitesOf } from '../calibrate/targets.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Ref } from '../graph/ir.js';
import { graphOfModel, modelFromGraph, weightsOnHost, weightTensors } from '../graph/model.js';
import { runnableNodes } from '../passes/runnable.js';
import type { Task } from '../quantize/plan.js';
import { withMasks } from '../recognize/emitMask.js';
import { type Places, withPlaces } from '../recognize/normalize/engine.js';
import { chooseMasks } from '../recognize/tokenMaskOption.js';
import type { KeptBatches } from './keptBatches.js';
import { levelsOf } from './levels.js';
import type { RewriteOptions } from './options.js';
import { PartialRun, type Runnable, tensorAt } from './partialRun.js';
import type { RewriteResult } from './rewriteGraph.js';
import { siteRefs } from './sequentialMemory.js';
import { type PreparedRewrite, prepareRewrite, quantizeSteps } from './steps.js';

/** What a sequential rewrite works with. */
export interface SequentialInput {
  readonly op: string;
  /** Its weights are on the host. */
  readonly model: GraphModel;
  readonly batches: KeptBatches;
  readonly settings: CalibrateSettings;
}

/** A rewritten model, and the statistics that it was rewritten by. */
export interface SequentialResult extends RewriteResult {
  readonly stats: CalibrationStats;
}

/**
 * Quantizes a model level by level: the linears of one are calibrated on what the quantized ones
 * before them give, with what the original gives as their targets. A level's run starts where the
 * last one ended, in both models, so that all together are one run of each.
 *
 * `rewriteGraph` makes the same of the statistics that this returns.
 *
 * @throws CalibrationAbortedError when cancelled, with the statistics of the sites that are done.
 */
export async function rewriteSequentially(
  input: SequentialInput,
  options: RewriteOptions,
  watch: WatchOptions,
): Promise<SequentialResult> {
  const { op, model, batches, settings } = input;
  const { means, samples, tokensPerSample, resume } = settings;
  // grows while the rewrite reads it
  const sites = new Map<string, SiteStats>(resume?.sites);
  const keep = { means, samples, tokensPerSample };
  const stats = new CalibrationStats(batches.inputs.length, sites, keep);
  const prepared = prepareRewrite(op, () => graphOfModel(op, model), { ...options, stats });
  const work = new SequentialWork(input, prepared, sites, watch);
  let finished = false;
  try {
    const { graph, report } = await work.run(stats);
    checkBackends(op, weightTensors(model));
    const made = modelFromGraph(graph, model, prepared.builder.tensors);
    finished = true;
    return { model: made, report, stats };
  } finally {
    work.dispose();
    if (!finished) prepared.builder.dispose();
  }
}

type Groups = PreparedRewrite['groups'];

class SequentialWork {
  private readonly places: Places = new Map();
  private readonly original: Runnable;
  private readonly refs: ReadonlyMap<string, Ref>;
  private readonly levels: readonly Groups[];
  private readonly masks: ReturnType<typeof chooseMasks>;
  /** Of the original, and of the model that is quantized so far. */
  private readonly runs: readonly [original: PartialRun, quantized: PartialRun];

  constructor(
    private readonly input: SequentialInput,
    private readonly prepared: PreparedRewrite,
    private readonly sites: Map<string, SiteStats>,
    private readonly watch: WatchOptions,
  ) {
    const { op, settings, batches } = input;
    const { groups, normal, analysis } = prepared;
    this.masks = chooseMasks(op, analysis, settings.tokenMask);
    const masks = masksOf(this.targetsOf(groups));
    const refs: Ref[] = [];
    const named = new Map<string, Ref>();
    this.original = this.runnable(normal, (graph, builder) => {
      const masked = withMasks(graph, builder, masks);
      for (const [key, ref] of masked.refs) named.set(key, ref);
      refs.push(...masked.refs.values());
      return masked.graph;
    });
    this.refs = named;
    const maskOf = ([first]: readonly Task[]) => this.refs.get(first!.placed.key) ?? [];
    this.levels = levelsOf(this.original.graph, groups, (group) => [maskOf(group)].flat());
    this.runs = [new PartialRun(batches.inputs), new PartialRun(batches.inputs)];
  }

  async run(stats: CalibrationStats): Promise<Pick<SequentialResult, 'report'> & { graph: Graph }> {
    const { op, model } = this.input;
    const steps = quantizeSteps(this.prepared, this.levels.flat(), this.places);
    try {
      for (const [at, groups] of this.levels.entries()) {
        const missing = this.targetsOf(groups).filter(({ key }) => !this.sites.has(key));
        if (missing.length > 0) await this.gather(at, missing, stats);
        await weightsOnHost(op, model, 'all');
        for (let i = groups.flat().length; i > 0; i--) {
          this.throwIfAborted(stats);
          const step = steps.next();
          if (!step.done) this.watch.onProgress?.(step.value);
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
      }
      this.throwIfAborted(stats);
      for (;;) {
        const { done, value } = steps.next();
        if (done) return value;
      }
    } finally {
      steps.return(undefined as never);
    }
  }

  dispose(): void {
    this.original.model.dispose();
    for (const run of this.runs) run.dispose();
  }

  /** Statistics of a level's sites, all batches of them or none. */
  private async gather(
    at: number,
    targets: readonly Target[],
    stats: CalibrationStats,
  ): Promise<void> {
    const { op, batches, settings, model } = this.input;
    const { builder, normal } = this.prepared;
    const collector = new PairCollector(targets, settings);
    // what looks at the graph reads its constants, which were on the device while it ran
    await weightsOnHost(op, model, 'small');
    await bringToHost(op, builder.tensors.values());
    const quantized = this.runnable(withPlaces(normal, builder, this.places));
    try {
      const wanted = targets.flatMap(({ site }) => siteRefs(site));
      const later = this.levels
        .slice(at)
        .flat(2)
        .flatMap(({ placed }) => siteRefs(placed.site));
      const masks = targets.flatMap(({ key }) => this.refs.get(key) ?? []);
      this.runs[0].next(
        this.original.graph,
        [...wanted, ...masks],
        [...later, ...this.refs.values()],
      );
      this.runs[1].next(quantized.graph, wanted, later);
      for (const batch of batches.inputs.keys()) {
        await this.observe(batch, targets, collector, quantized);
        const done = at * batches.inputs.length + batch + 1;
        const total = this.levels.length * batches.inputs.length;
        this.watch.onProgress?.({ stage: 'calibrate', done, total, name: targets[0]!.key });
        await new Promise((resolve) => setTimeout(resolve, 0));
        this.throwIfAborted(stats);
      }
    } finally {
      quantized.model.dispose();
    }
    for (const [key, site] of collector.sites()) this.sites.set(key, site);
  }

  private async observe(
    batch: number,
    targets: readonly Target[],
    collector: PairCollector,
    quantized: Runnable,
  ): Promise<void> {
    const { op, batches } = this.input;
    const [before, now] = this.runs;
    const alive = [this.original, quantized].flatMap(({ model }) => weightTensors(model));
    const shown = (
      tensors: ReadonlyMap<Ref, Tensor>,
      { site }: Target,
      mask: Ref | undefined,
      masks: ReadonlyMap<Ref, Tensor>,
    ) => ({
      x: tensorAt(tensors, site.source),
      like: site.like === null ? null : tensorAt(tensors, site.like),
      mask: mask === undefined ? null : tensorAt(masks, mask),
    });
    await throughout(op, alive, () =>
      before.run(this.original, batch, (original) =>
        now.run(quantized, batch, async (tensors) => {
          for (const [i, target] of targets.entries()) {
            const mask = this.refs.get(target.key);
            const there = shown(original, target, mask, original);
            const here = shown(tensors, target, mask, original);
            await collector.add(i, batches.origins[batch]!, here, there);
          }
        }),
      ),
    );
  }

  private targetsOf(groups: Groups): Target[] {
    const placed = groups.flat().map((task) => task.placed);
    return sitesOf(placed, this.input.settings.hessian, this.masks.masks);
  }

  /** A model of a graph, which shares all weights. */
  private runnable(
    graph: Graph,
    more: (graph: Graph, builder: GraphBuilder) => Graph = (as) => as,
  ): Runnable {
    const { op, model } = this.input;
    const builder = new GraphBuilder(graph);
    try {
      const runs = runnableNodes(op, more(graph, builder), builder);
      const shared = [...this.prepared.builder.tensors].filter(([name]) => runs.weights.has(name));
      const own = new Map([
        ...shared.map(([name, tensor]) => [name, reshape(tensor, tensor.shape)] as const),
        ...builder.tensors,
      ]);
      return { graph: runs, model: modelFromGraph(runs, model, own) };
    } catch (error) {
      builder.dispose();
      throw error;
    }
  }

  private throwIfAborted({ batches, sites, keep }: CalibrationStats): void {
    const { signal } = this.watch;
    if (!signal?.aborted) return;
    const stats = new CalibrationStats(batches, new Map(sites), keep);
    throw new CalibrationAbortedError(stats, signal.reason, `${sites.size} sites`);
  }
}
