import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit } from '../../../models/builder/dit.js';
import { seededDitWeights } from '../../../models/seeded.js';
import { addSample, emptySite } from '../../../src/calibrate/siteStats.js';
import { graphOfModel } from '../../../src/graph/model.js';
import {
  CalibrationStats,
  type LinearReport,
  type QuantizationReport,
  type RewriteOptions,
  rewriteGraph,
} from '../../../src/index.js';
import { reportTable } from '../../../src/report.js';
import { TINY, tinyDit, tinyStats } from '../../harness/models/tinyDit.js';
import { normal, uniform } from '../../harness/numbers/random.js';

const [SAMPLES, TOKENS] = [12, 8];
const KEEP = { means: 16, samples: 16, tokensPerSample: TOKENS };

/** Values of one sample, [tokens, d]. */
type Sample = (d: number, seed: number) => Float32Array;

let model: tf.GraphModel;
let own: CalibrationStats;

before(async () => {
  await tf.setBackend('cpu');
  model = await tinyDit();
  own = await tinyStats(model);
});
after(() => model.dispose());

/** Statistics of the model's sites as if these samples had come to each. */
function statsOf(sample: Sample): CalibrationStats {
  const sites = [...own.sites].map(([key, { d }], at) => {
    const site = emptySite(d, true);
    for (let i = 0; i < SAMPLES; i++) {
      const values = sample(d, 100 * at + i);
      addSample(site, values, 0, TOKENS, { hash: i, timestep: null }, KEEP);
    }
    return [key, site] as const;
  });
  return new CalibrationStats(1, new Map(sites), KEEP);
}

function rewritten(stats: CalibrationStats, options: RewriteOptions = {}, of = model) {
  const how = { stats, compare: false, mode: 'simulate', lowRank: 0 } as const;
  const { model: small, report } = rewriteGraph(of, { ...how, ...options });
  const ops = [...graphOfModel('test', small).nodes.values()].map(({ op }) => op);
  small.dispose();
  return { report, linears: transformed(report), ops };
}

function transformed({ linears }: QuantizationReport): LinearReport[] {
  return linears.filter(({ treatment }) => treatment === 'transformed');
}

/** Every channel far from zero by as much in all samples, and a little more or less in each. */
const shifted: Sample = (d, seed) => {
  const [shift, own] = [normal(d, 1, 0, 12), normal(d, seed + 1000)];
  return normal(TOKENS * d, seed).map((v, at) => v + shift[at % d]! + own[at % d]!);
};

/** Each token's opposite is a token too. */
const balanced: Sample = (d, seed) => {
  const half = normal((TOKENS / 2) * d, seed);
  return Float32Array.from([...half, ...half.map((v) => -v)]);
};

describe("center: 'auto', HadaNorm's default", () => {
  it('centers where means are strong', () => {
    for (const bits of [4, 8]) {
      const { linears, ops } = rewritten(statsOf(shifted), { activations: { bits } });
      expect(linears.length).to.equal(4);
      for (const { parts } of linears) expect(parts).to.include({ center: 'dynamic' });
      expect(ops.filter((op) => op === 'ChannelCenter').length).to.equal(8);
    }
  });

  it('does not where there are none, which is cheaper', () => {
    for (const bits of [4, 8]) {
      const { linears, ops, report } = rewritten(statsOf(balanced), { activations: { bits } });
      for (const { parts, ways, reason } of linears) {
        expect(parts).to.include({ center: 'none' });
        expect(reason).to.include('not centered').and.include('which measured no worse here');
        expect(ways!.length).to.equal(bits === 4 ? 3 : 6);
      }
      expect(ops).to.not.include('ChannelCenter');
      expect(report.notes?.[0]).to.match(/^4 of 4 linears not centered: /);
    }
  });

  it('leaves the balanced scale out where that is better', async () => {
    const even: Sample = (d, seed) => {
      const next = uniform(seed);
      const half = Float32Array.from({ length: (TOKENS / 2) * d }, () => 2 * next() - 1);
      return Float32Array.from([...half, ...half.map((v) => -v)]);
    };
    // one channel's weights are strong: balanced, it takes more of each token's range, and what all
    // the others lose by that is more than it gains
    const weights = seededDitWeights(TINY, 1);
    const { shape, values } = weights.get('blocks.0.mlp.fc2.weight')!; // [n, d]
    values.set(normal(values.length, 7).map((v, at) => (at % shape[1]! === 0 ? 8 * v : v)));
    const strong = await tf.loadGraphModel(tf.io.fromMemory(buildDit(TINY, weights)));
    const activations = { bits: 4, granularity: 'perToken', symmetric: true } as const;
    const options = { weights: { bits: null }, activations, rotate: false } as const;
    const { linears } = rewritten(statsOf(even), options, strong);
    strong.dispose();
    const { parts, ways } = linears.find(({ role }) => role === 'mlp.out')!;
    expect(parts).to.deep.equal({ center: 'none', scale: 'none', rotate: false });
    const [plain, ...scaled] = ways!;
    expect(scaled.map(({ scale }) => scale)).to.deep.equal(['balanced', 'balanced']);
    for (const { output } of scaled) expect(output).to.be.below(plain!.output - 0.5);
  });

  it('obeys what is asked for', () => {
    const stats = statsOf(shifted);
    for (const center of ['none', 'static', 'dynamic'] as const) {
      for (const { parts, ways } of rewritten(stats, { center }).linears) {
        expect(parts!.center).to.equal(center);
        expect(ways!.map((way) => [way.center, way.scale])).to.deep.equal([
          [center, 'balanced'],
          [center, 'balanced'],
        ]);
      }
      const rotated = rewritten(stats, { center, rotate: true }).linears;
      for (const { ways } of rotated) expect(ways).to.equal(undefined);
    }
    for (const { ways, parts } of rewritten(stats, { scale: 'std', rotate: true }).linears) {
      expect(parts).to.deep.equal({ center: 'dynamic', scale: 'std', rotate: true });
      expect(ways!.map(({ center }) => center)).to.deep.equal(['none', 'dynamic']);
    }
    const rules = [{ role: 'mlp', center: 'none' }] as const;
    for (const { parts, role } of rewritten(stats, { rules }).linears) {
      expect(parts!.center, role).to.equal(role.startsWith('mlp') ? 'none' : 'dynamic');
    }
  });

  it('is for other methods too where they are told so', () => {
    for (const method of ['hadamard', 'rtn'] as const) {
      const { linears } = rewritten(statsOf(shifted), { method, center: 'auto', meanRank: 'auto' });
      for (const { parts, ways } of linears) {
        expect(parts!.center).to.equal('dynamic');
        expect(ways!.map(({ center }) => center)).to.deep.equal(['none', 'dynamic']);
      }
    }
  });

  it("is 'dynamic' without kept tokens, and where nothing is quantized", () => {
    const sites = [...own.sites].map(([key, site]) => {
      const kept = site.kept.map((one) => ({ ...one, rows: new Float32Array(0) }));
      return [key, { ...site, kept }] as const;
    });
    const none = new CalibrationStats(own.batches, new Map(sites), own.keep);
    const exact = { weights: { bits: null }, activations: { bits: null } };
    for (const [stats, options] of [
      [none, {}],
      [statsOf(balanced), exact],
    ] as const) {
      for (const { parts, ways } of rewritten(stats, options).linears) {
        expect(parts).to.deep.equal({ center: 'dynamic', scale: 'balanced', rotate: true });
        expect(ways).to.equal(undefined);
      }
    }
  });

  it('takes the same in both modes, compared with others or not, and whenever it is asked', () => {
    const told = (options: RewriteOptions) =>
      rewritten(own, options).linears.map(({ parts, ways, sqnr }) => ({ parts, ways, sqnr }));
    const first = told({});
    expect(told({})).to.deep.equal(first);
    expect(told({ mode: 'integer' })).to.deep.equal(first);
    expect(told({ compare: true })).to.deep.equal(first);
  });

  it('shows in the table what was chosen, and by what', () => {
    const { report } = rewritten(statsOf(balanced));
    const table = reportTable(report);
    expect(table)
      .to.match(/if centered/)
      .and.match(/if not/);
    expect(table).to.match(/hadanorm: (balance|rotate|nothing)/);
    expect(reportTable(rewritten(own, { center: 'none' }).report)).to.not.include('if centered');
  });
});
