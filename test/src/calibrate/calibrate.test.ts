import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { type CalibrationStats, calibrate } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { rowsThroughMlp } from '../../harness/graphs/oddities.js';
import { loaded } from '../../harness/graphs/run.js';
import {
  distance,
  meanRow,
  momentsDistance,
  momentsOf,
  type SiteSample,
  samplesAt,
  scatterOf,
  sitesOf,
} from '../../harness/models/siteReference.js';
import { tinyBatch, tinyDit } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

/** A model, its statistics, and what each of its sites saw. */
interface Observed {
  readonly stats: CalibrationStats;
  readonly seen: ReadonlyMap<string, readonly SiteSample[]>;
  /** Of each sample. */
  readonly times: readonly number[];
}

const TIMES = [0.25, 0.75, 0.25] as const;

describeOnBackends('calibrate', () => {
  let observed: Observed;

  before(async () => {
    await expectNoLeakAsync(async () => {
      const model = await tinyDit();
      const batches = [1, 2].map((seed) => tinyBatch(seed, TIMES));
      const stats = await calibrate(model, batches, {
        timestep: 'timestep',
        tokensPerSample: 4,
        samples: 3,
        means: 5,
      });
      const seen = [...sitesOf(model)].map(([key, site]) => {
        return [key, batches.flatMap((batch) => samplesAt(model, site, batch))] as const;
      });
      observed = { stats, seen: new Map(seen), times: [...TIMES, ...TIMES] };
      tf.dispose(batches);
      model.dispose();
    });
  });

  it('observes every tensor that a linear reads, once', () => {
    expect([...observed.stats.sites.keys()].sort()).to.deep.equal([...observed.seen.keys()].sort());
    expect(observed.stats.sites.size).to.equal(9);
    expect(observed.stats.batches).to.equal(2);
  });

  it('sums, variances within and between samples and maxima are those of float64', () => {
    for (const [key, { d, total }] of observed.stats.sites) {
      const expected = momentsOf(observed.seen.get(key)!, d);
      expect(momentsDistance(total, expected), key).to.be.below(1e-6);
    }
  });

  it('each timestep has the moments of its samples', () => {
    for (const [key, { d, timesteps }] of observed.stats.sites) {
      expect([...timesteps.keys()], key).to.deep.equal([0.25, 0.75]);
      for (const [time, moments] of timesteps) {
        const samples = observed.seen.get(key)!.filter((_, i) => observed.times[i] === time);
        expect(momentsDistance(moments, momentsOf(samples, d)), `${key} ${time}`).to.be.below(1e-6);
      }
    }
  });

  it('the scatter of what attention and MLPs read is that of float64; others have none', () => {
    const some = [...observed.stats.sites].filter(([, { scatter }]) => scatter !== null);
    expect(some.length).to.equal(4);
    for (const [key, { d, scatter }] of some) {
      const expected = scatterOf(observed.seen.get(key)!, d);
      expect(distance(scatter!, expected), key).to.be.below(2e-6);
    }
  });

  it('samples with the lowest hashes are kept: means, and spread tokens of the lowest', () => {
    for (const [key, { d, kept }] of observed.stats.sites) {
      const samples = observed.seen.get(key)!;
      expect(kept.length, key).to.equal(5);
      const hashes = kept.map(({ hash }) => hash);
      expect(hashes).to.deep.equal([...hashes].sort((a, b) => a - b));
      kept.forEach((sample, i) => {
        const at = samples.findIndex((rows) => distance(sample.mean, meanRow(rows, d)) < 1e-6);
        expect(at, `${key}: which sample`).to.be.at.least(0);
        expect(sample.timestep).to.equal(observed.times[at]);
        const rows = samples[at]!;
        expect(sample.tokens).to.equal(rows.length);
        const picked = rows.length === 1 ? [0] : [2, 6, 10, 14];
        const values = i < 3 ? picked.flatMap((token) => rows[token]!) : [];
        expect([...sample.rows], `${key}: tokens of sample ${i}`).to.deep.equal(values);
      });
    }
  });

  it('rows that were flattened are taken apart again, sample by sample', async () => {
    await expectNoLeakAsync(async () => {
      const graph = rowsThroughMlp();
      const model = await loaded(graph.artifacts);
      const batch = graph.inputs(3, 5, 7);
      const stats = await calibrate(model, [batch]);
      const hidden = [...sitesOf(model)].filter(([, { tokens }]) => tokens === 'hidden');
      expect(hidden.length, 'sites of rows').to.equal(1);
      for (const [key, site] of sitesOf(model)) {
        const samples = samplesAt(model, site, batch);
        expect([samples.length, samples[0]!.length]).to.deep.equal([3, 5]);
        const { total, scatter } = stats.sites.get(key)!;
        expect(momentsDistance(total, momentsOf(samples, site.d)), key).to.be.below(1e-6);
        expect(distance(scatter!, scatterOf(samples, site.d)), key).to.be.below(2e-6);
      }
      tf.dispose(batch);
      model.dispose();
    });
  });

  it('is the same for the same data', async () => {
    const model = await tinyDit();
    const once = async () => {
      const options = { disposeBatches: true };
      return (await calibrate(model, [tinyBatch(1), tinyBatch(2)], options)).serialize();
    };
    expect(await once()).to.deep.equal(await once());
    model.dispose();
  });
});
