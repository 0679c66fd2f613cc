import type { GraphModel } from '@tensorflow/tfjs-converter';
import { getBackend, matMul, type Tensor, tensor2d, tidy, transpose } from '@tensorflow/tfjs-core';
import { fetchValues, valuesOf } from '../../ops/common/alive.js';
import { HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { fetched } from '../math/matrix.js';
import { maskText } from '../recognize/tokenMask.js';
import { type Batch, inputNamed } from './batch.js';
import { inputsByNode } from './batchInputs.js';
import { type CountedTokens, countedTokens, countedTokensLater } from './countedTokens.js';
import { InputHashes } from './inputHash.js';
import type { CalibrateSettings, Target } from './settings.js';
import { addSample, emptySite, mergeSites, type SiteStats } from './siteStats.js';
import { CalibrationStats } from './stats.js';
import type { Tapped } from './tap.js';

/** Distinct timesteps without bins. */
const MAX_TIMESTEPS = 64;

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
    this.times = this.timesteps(model, batch);
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
    if (centered !== null) this.addScatter(index, centered);
  }

  /** The same where values are to be waited for. */
  async observeLater(index: number, tapped: Tapped): Promise<void> {
    if (this.pending[index] === undefined) return;
    const { site } = this.targets[index]!;
    const centered = this.take(index, await countedTokensLater(site, tapped));
    if (centered === null) return;
    const product = tidy(() => innerProducts(centered, site.d));
    try {
      const values = await fetchValues<'float32'>('calibrate', product);
      addTriangle(this.scatterOf(index), values, site.d);
    } finally {
      product.dispose();
    }
  }

  /** Adds what there is of a site; x − μ where its products are wanted too, else null. */
  private take(index: number, { values, counts }: CountedTokens): Float32Array | null {
    const { site, hessian } = this.targets[index]!;
    const pending = this.pending[index]!;
    this.shown.add(index);
    const { d } = site;
    const samples = counts.length;
    const means: Float32Array[] = [];
    let start = 0;
    for (const [sample, count] of counts.entries()) {
      const timestep = this.times[Math.floor((sample * this.times.length) / samples)] ?? null;
      const origin = { hash: this.hashes.of(sample, samples), timestep };
      // a sample that is padding alone is none
      const mean =
        count === 0
          ? new Float32Array(d)
          : addSample(pending, values, start, count, origin, this.settings);
      means.push(mean);
      start += count * d;
    }
    return hessian ? centeredRows(values, means, counts, d) : null;
  }

  private scatterOf(index: number): Float64Array {
    return this.sites.get(this.targets[index]!.key)!.scatter!;
  }

  /** scatter += Σ (x − μ)(x − μ)ᵀ, upper triangle: the backend's product, summed in float64. */
  private addScatter(index: number, centered: Float32Array): void {
    const { d } = this.targets[index]!.site;
    const scatter = this.scatterOf(index);
    if (getBackend() === 'cpu') addOuterProducts(scatter, centered, d);
    else
      addTriangle(
        scatter,
        fetched('calibrate', () => innerProducts(centered, d)),
        d,
      );
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

  private timesteps(model: GraphModel, batch: Batch): number[] {
    const { timestep } = this.settings;
    if (timestep === null) return [];
    const tensor = inputNamed(model, batch, timestep.input);
    const { bins } = timestep;
    const times = Array.from(valuesOf('calibrate', tensor), (time) => {
      if (!Number.isFinite(time)) {
        const wanted = 'an input of finite numbers';
        throw new InvalidArgumentError('calibrate', 'timestep', wanted, `${time}`);
      }
      if (bins === undefined) return time;
      const bin = Math.floor(((time - bins.min) / (bins.max - bins.min)) * bins.count);
      const at = Math.min(Math.max(bin, 0), bins.count - 1);
      return bins.min + ((at + 0.5) * (bins.max - bins.min)) / bins.count;
    });
    const known = new Set([...times, ...[...this.sites.values()][0]!.timesteps.keys()]);
    if (known.size > MAX_TIMESTEPS && bins === undefined) {
      const wayOut = 'Give bins: {input, bins: {min, max, count}}.';
      const wanted = `of at most ${MAX_TIMESTEPS} distinct values`;
      throw new InvalidArgumentError('calibrate', 'timestep', wanted, `${known.size}`, wayOut);
    }
    return times;
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

/** x − μ, with zeros up to a multiple of four rows. */
function centeredRows(
  values: Float32Array,
  means: readonly Float32Array[],
  counts: readonly number[],
  d: number,
): Float32Array {
  const rows = values.length / d;
  const centered = new Float32Array(Math.ceil(rows / 4) * 4 * d);
  let at = 0;
  counts.forEach((count, sample) => {
    const mean = means[sample]!;
    for (let token = 0; token < count; token++) {
      for (let c = 0; c < d; c++, at++) centered[at] = values[at]! - mean[c]!;
    }
  });
  return centered;
}

/** xᵀ x, [d, d]. */
function innerProducts(rows: Float32Array, d: number): Tensor {
  const x = tensor2d(rows, [rows.length / d, d]);
  return matMul(transpose(x), x);
}

function addTriangle(scatter: Float64Array, product: Float32Array, d: number): void {
  for (let i = 0, at = 0; i < d; i++) {
    for (let j = i; j < d; j++, at++) scatter[at] = scatter[at]! + product[i * d + j]!;
  }
}

/**
 * Only the upper triangle, four rows of x [rows, d] at a time (rows a multiple of four): tfjs's own
 * product on the cpu backend is slower than that.
 */
function addOuterProducts(scatter: Float64Array, x: Float32Array, d: number): void {
  for (let row = 0; row < x.length; row += 4 * d) {
    for (let i = 0, at = 0; i < d; i++) {
      const a = x[row + i]!;
      const b = x[row + d + i]!;
      const c = x[row + 2 * d + i]!;
      const e = x[row + 3 * d + i]!;
      for (let j = i; j < d; j++, at++) {
        const r = row + j;
        scatter[at] =
          scatter[at]! + (a * x[r]! + b * x[r + d]! + c * x[r + 2 * d]! + e * x[r + 3 * d]!);
      }
    }
  }
}
