import type { GraphModel } from '@tensorflow/tfjs-converter';
import { HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import type { Batch } from '../feed/batch.js';
import { inputsByNode } from '../feed/batchInputs.js';
import { maskText } from '../recognize/tokenMask.js';
import { addSamples } from './batchSamples.js';
import { type CountedTokens, countedTokens, countedTokensLater } from './countedTokens.js';
import { InputHashes } from './inputHash.js';
import { addScatter, addScatterLater, centeredRows } from './scatter.js';
import type { CalibrateSettings, Target } from './settings.js';
import { emptySite, mergeSites, type SiteStats } from './siteStats.js';
import { CalibrationStats } from './stats.js';
import type { Tapped } from './tap.js';
import { timestepsOf } from './timesteps.js';

/**
 * Gathers the statistics of a run. What a batch gives is added only when the whole batch went
 * through, so that an error in the middle leaves nothing half counted.
 */
export class Collector {
  private sites: Map<string, SiteStats>;
  private batches: number;
  private pending: SiteStats[];
  private times: readonly number[] = [];
  private hashes = new InputHashes([]);
  private readonly shown = new Set<number>();

  constructor(
    private readonly targets: readonly Target[],
    private readonly settings: CalibrateSettings,
  ) {
    const { resume } = settings;
    this.batches = resume?.batches ?? 0;
    this.sites = resume === null ? this.empty() : copied(resume.sites);
    this.pending = [];
    if (resume !== null) this.checkResume(resume);
  }

  /** What was gathered so far, whole batches only. */
  stats(): CalibrationStats {
    const { means, samples, tokensPerSample } = this.settings;
    return new CalibrationStats(this.batches, new Map(this.sites), {
      means,
      samples,
      tokensPerSample,
    });
  }

  startBatch(model: GraphModel, batch: Batch): void {
    this.pending = this.targets.map(({ site, mask }) => emptySite(site.d, false, textOf(mask)));
    this.shown.clear();
    const known = [...this.sites.values()][0]!.timesteps.keys();
    this.times = timestepsOf(model, batch, this.settings, known);
    this.hashes = new InputHashes(inputsByNode('calibrate', model, batch));
  }

  /**
   * @throws HadaNormError where a site was not shown in this batch, as if its op were another's.
   */
  checkSeen(): void {
    const missing = this.pending.findIndex((_, i) => !this.shown.has(i));
    if (missing < 0) return;
    const source = JSON.stringify(this.targets[missing]!.site.source);
    const problem = `the tensor ${source} was not seen while the model ran.`;
    const wayOut =
      'Another op is registered as HadaNormTap: ' +
      'import tfjs-hadanorm after whatever registers it.';
    throw new HadaNormError('calibrate', `${problem} ${wayOut}`);
  }

  endBatch(): void {
    this.targets.forEach(({ key }, i) => {
      const site = this.sites.get(key)!;
      // the scatter was added in place; moments and samples come now
      const { scatter, ...rest } = site;
      const merged = mergeSites({ ...rest, scatter: null }, this.pending[i]!, this.settings);
      this.sites.set(key, { ...merged, scatter });
    });
    this.batches++;
  }

  /** One tensor of one batch: x [..., tokens, channels over `axes` axes]. */
  observe(index: number, tapped: Tapped): void {
    if (this.pending[index] === undefined) return;
    const { site } = this.targets[index]!;
    const centered = this.take(index, countedTokens(site, tapped));
    if (centered !== null) addScatter(this.scatterOf(index), centered, site.d);
  }

  /** The same where values are to be waited for. */
  async observeLater(index: number, tapped: Tapped): Promise<void> {
    if (this.pending[index] === undefined) return;
    const { site } = this.targets[index]!;
    const centered = this.take(index, await countedTokensLater(site, tapped));
    if (centered !== null) await addScatterLater(this.scatterOf(index), centered, site.d);
  }

  /** Adds what there is of a site; x − μ where its products are wanted too, else null. */
  private take(index: number, { values, counts }: CountedTokens): Float32Array | null {
    const { site, hessian } = this.targets[index]!;
    const pending = this.pending[index]!;
    this.shown.add(index);
    const origins = { hashes: this.hashes, times: this.times };
    const means = addSamples(pending, { values, counts }, origins, this.settings);
    return hessian ? centeredRows(values, means, counts, site.d) : null;
  }

  private scatterOf(index: number): Float64Array {
    return this.sites.get(this.targets[index]!.key)!.scatter!;
  }

  private empty(): Map<string, SiteStats> {
    return new Map(
      this.targets.map(({ key, site, hessian, mask }) => {
        return [key, emptySite(site.d, hessian, textOf(mask))];
      }),
    );
  }

  private checkResume(resume: CalibrationStats): void {
    const fits = this.targets.every(({ key, site, hessian, mask }) => {
      const saved = resume.sites.get(key);
      const alike = saved?.d === site.d && (saved.mask ?? null) === textOf(mask);
      return alike && (saved.scatter !== null) === hessian;
    });
    const { means, samples, tokensPerSample } = this.settings;
    const { keep } = resume;
    const alike =
      keep.means === means && keep.samples === samples && keep.tokensPerSample === tokensPerSample;
    if (fits && alike && resume.sites.size === this.targets.length) return;
    const wayOut = 'Use the options and the model that they were made with.';
    const got = 'statistics of another model or other options';
    throw new InvalidArgumentError('calibrate', 'resume', 'statistics of this model', got, wayOut);
  }
}

/** Scatters grow in place, and those of the caller must not. */
function copied(sites: ReadonlyMap<string, SiteStats>): Map<string, SiteStats> {
  const copy = (site: SiteStats) => ({ ...site, scatter: site.scatter?.slice() ?? null });
  return new Map([...sites].map(([key, site]) => [key, copy(site)]));
}

function textOf(mask: Target['mask']): string | null {
  return mask === null ? null : maskText(mask);
}
