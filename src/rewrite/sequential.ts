import { bringToHost, checkBackends } from '../../ops/common/alive.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { CalibrationAbortedError } from '../calibrate/calibrate.js';
import { PairCollector } from '../calibrate/pairCollector.js';
import type { CalibrateSettings, Target } from '../calibrate/settings.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import { CalibrationStats } from '../calibrate/stats.js';
import { sitesOf } from '../calibrate/targets.js';
import { graphOfModel, modelFromGraph, weightsOnHost, weightTensors } from '../graph/model.js';
import { planned } from '../plan/planned.js';
import { type Places, withPlaces } from '../recognize/normalize/engine.js';
import { checkMatched, chooseMasks } from '../recognize/tokenMaskOption.js';
import { levelsOf } from './levels.js';
import type { RewriteOptions } from './options.js';
import { type PairInput, PairRun } from './pairRun.js';
import type { RewriteResult } from './rewriteGraph.js';
import {
  type PreparedRewrite,
  prepareRewrite,
  quantizeSteps,
  type RewrittenGraph,
} from './steps.js';

/** What a sequential rewrite works with. */
export interface SequentialInput extends PairInput {
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
 * @throws CalibrationAbortedError when cancelled, with the statistics of the sites that are done;
 * InvalidArgumentError for statistics of another model to go on from.
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
  let work: SequentialWork | null = null;
  let finished = false;
  try {
    work = new SequentialWork(input, prepared, sites, { stats, watch });
    const { graph, report } = await work.run();
    checkBackends(op, weightTensors(model));
    const made = planned(modelFromGraph(graph, model, prepared.builder.tensors));
    finished = true;
    return { model: made, report, stats };
  } finally {
    work?.dispose();
    if (!finished) prepared.builder.dispose();
  }
}

type Groups = PreparedRewrite['groups'];

class SequentialWork {
  private readonly places: Places = new Map();
  private readonly masks: ReturnType<typeof chooseMasks>;
  private readonly levels: readonly Groups[];
  private readonly runs: PairRun;

  constructor(
    private readonly input: SequentialInput,
    private readonly prepared: PreparedRewrite,
    private readonly sites: Map<string, SiteStats>,
    private readonly told: { readonly stats: CalibrationStats; readonly watch: WatchOptions },
  ) {
    const { op, settings } = input;
    const { groups, analysis } = prepared;
    this.masks = chooseMasks(op, analysis, settings.tokenMask);
    checkMatched(op, this.masks);
    const targets = this.targetsOf(groups);
    checkSites(op, targets, sites);
    this.runs = new PairRun(input, prepared, targets);
    const maskOf = (group: Groups[number]) => this.runs.maskOf(group[0]!.placed.key);
    this.levels = levelsOf(this.runs.graph, groups, maskOf);
  }

  async run(): Promise<RewrittenGraph> {
    const { op, model } = this.input;
    const steps = quantizeSteps(this.prepared, this.levels.flat(), this.places);
    try {
      for (const [at, groups] of this.levels.entries()) {
        await this.gather(at);
        await weightsOnHost(op, model, 'all');
        for (let i = groups.flat().length; i > 0; i--) {
          this.throwIfAborted();
          const step = steps.next();
          if (!step.done) this.told.watch.onProgress?.(step.value);
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
      }
      this.throwIfAborted();
      for (;;) {
        const { done, value } = steps.next();
        if (done) return value;
      }
    } finally {
      steps.return(undefined as never);
    }
  }

  dispose(): void {
    this.runs.dispose();
  }

  /** Statistics of a level's sites that are not there yet: of all batches, or none. */
  private async gather(at: number): Promise<void> {
    const { op, batches, settings, model } = this.input;
    const { builder, normal } = this.prepared;
    const targets = this.targetsOf(this.levels[at]!).filter(({ key }) => !this.sites.has(key));
    if (targets.length === 0) return;
    const later = this.targetsOf(this.levels.slice(at).flat());
    // what looks at the graph reads its constants, which were on the device while it ran
    await weightsOnHost(op, model, 'small');
    await bringToHost(op, builder.tensors.values());
    const soFar = withPlaces(normal, builder, this.places);
    const collector = new PairCollector(targets, settings);
    const count = batches.inputs.length;
    await this.runs.gather({ targets, later }, soFar, collector, async (batch) => {
      const done = at * count + batch + 1;
      const total = this.levels.length * count;
      this.told.watch.onProgress?.({ stage: 'calibrate', done, total, name: targets[0]!.key });
      // a page stays alive, and a signal can come, between two batches
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.throwIfAborted();
    });
    for (const [key, site] of collector.sites()) this.sites.set(key, site);
  }

  private targetsOf(groups: Groups): Target[] {
    const placed = groups.flat().map((task) => task.placed);
    return sitesOf(placed, this.input.settings.hessian, this.masks.masks);
  }

  private throwIfAborted(): void {
    const { signal } = this.told.watch;
    if (!signal?.aborted) return;
    const { batches, sites, keep } = this.told.stats;
    const stats = new CalibrationStats(batches, new Map(sites), keep);
    throw new CalibrationAbortedError(stats, signal.reason, `${sites.size} sites`);
  }
}

/** @throws InvalidArgumentError for sites that the model does not have, or not like this. */
function checkSites(
  op: string,
  targets: readonly Target[],
  sites: ReadonlyMap<string, SiteStats>,
): void {
  const known = new Map(targets.map((target) => [target.key, target]));
  const other = [...sites].find(([key, { d, scatter }]) => {
    const target = known.get(key);
    return target?.site.d !== d || target.hessian !== (scatter !== null);
  });
  if (other === undefined) return;
  const got = `those of a site ${JSON.stringify(other[0])} of ${other[1].d} channels`;
  throw new InvalidArgumentError(
    op,
    'resume',
    'statistics of this model',
    got,
    'Start without it.',
  );
}
