import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  type CalibrationStats,
  evaluateLinears,
  InvalidArgumentError,
  type LinearReport,
  type Method,
  type QuantizationReport,
  type RewriteOptions,
  recommendRules,
  rewriteGraph,
} from '../../../src/index.js';
import { groupBy } from '../../../src/math/groups.js';
import { tinyBatches, tinyDit, tinyStats } from '../../harness/models/tinyDit.js';

/** From the cheapest at run time to the dearest. */
const METHODS: readonly Method[] = ['rtn', 'smoothquant', 'centered', 'hadamard', 'hadanorm'];

let model: tf.GraphModel;
let stats: CalibrationStats;

/** Hooks of a describe block that needs the two. */
function withModel(): void {
  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit({ attention: 'separate', depth: 2 });
    stats = await tinyStats(model, { tokensPerSample: 4 });
  });
  after(() => model.dispose());
}

function reportOf(options: RewriteOptions): QuantizationReport {
  const { model: small, report } = rewriteGraph(model, {
    stats,
    compare: false,
    lowRank: 0,
    ...options,
  });
  small.dispose();
  return report;
}

/** Queries, keys and values of a block read one tensor; the others have their own. */
const siteOf = ({ name, role }: LinearReport) =>
  /attention\.[qkv]$/.test(role) ? name.replace(/attn.*/, '') : name;

const transformed = ({ linears }: QuantizationReport): LinearReport[] =>
  linears.filter(({ treatment }) => treatment === 'transformed');

describe("method 'auto'", () => {
  withModel();

  const cases: readonly RewriteOptions[] = [
    { weights: { bits: 4 }, activations: { bits: 8 } },
    { weights: { bits: 8 }, activations: { bits: 4, granularity: 'perToken' } },
    { weights: { bits: 4 }, rotate: 'auto' },
  ];
  for (const options of cases) {
    it(`takes the best for each site, of equals the cheapest: ${JSON.stringify(options)}`, () => {
      const auto = transformed(reportOf({ ...options, method: 'auto' }));
      const own = METHODS.map((method) => transformed(reportOf({ ...options, method })));
      expect(auto.length).to.equal(12);
      auto.forEach(({ name, compared }, i) => {
        const outputs = own.map((linears) => linears[i]!.sqnr!.output);
        expect(own.every((linears) => linears[i]!.name === name)).to.equal(true);
        const known = METHODS.map((candidate) => compared[candidate]?.output);
        expect(known, `${name}: all candidates`).to.deep.equal(outputs);
      });
      for (const linears of groupBy(auto, siteOf).values()) {
        const [{ name, method, ways }] = linears as [LinearReport];
        for (const linear of linears) expect(linear).to.deep.include({ method, ways });
        const best = (some: Method) =>
          Math.max(...ways!.filter((way) => way.method === some).map(({ output }) => output));
        const outputs = METHODS.map(best);
        const most = Math.max(...outputs);
        // each method's own choice may be a cheaper one than its best
        expect(best(method!), name).to.be.at.least(most - 0.1);
        const cheaper = outputs.slice(0, METHODS.indexOf(method!));
        for (const output of cheaper) expect(output, name).to.be.below(most);
      }
    });
  }

  it('runs: the model does what the report says', async () => {
    const { model: small, report } = rewriteGraph(model, { stats, method: 'auto', compare: false });
    expect(report.method).to.equal('auto');
    expect(transformed(report).every(({ method }) => METHODS.includes(method!))).to.equal(true);
    const batches = tinyBatches(2);
    const evaluated = await evaluateLinears(model, small, batches);
    tf.dispose(batches);
    report.linears.forEach(({ sqnr }, i) => {
      // other tokens of the same samples
      expect(Math.abs(sqnr!.output - evaluated[i]!.output)).to.be.below(3);
    });
    small.dispose();
  });
});

describe('Rules that recommendRules gives', () => {
  withModel();

  const OPTIONS: readonly (readonly [string, RewriteOptions])[] = [
    ['W4A4', { activations: { bits: 4, groupSize: 16 } }],
    ['W4A8', {}],
    ['W4A4 with a static range', { activations: { bits: 4, range: 'static' } }],
    ['W4A4 per tensor', { activations: { bits: 4, granularity: 'perTensor' } }],
  ];
  for (const [title, options] of OPTIONS) {
    it(`keep their promises: ${title}`, () => {
      const report = reportOf(options);
      const outputs = transformed(report).map(({ sqnr }) => sqnr!.output);
      const at8Bits = transformed(report).map((linear) => linear.at8Bits!.output);
      const middle = (Math.min(...outputs) + Math.min(...at8Bits)) / 2;
      const { after } = report.totals.modelBytes;
      const targets = [
        { minSqnr: middle },
        { meanSqnr: report.totals.sqnr!.output + 4 },
        { maxBytes: Math.round(after * 1.2) },
      ];
      for (const target of targets) {
        const { rules, expected } = recommendRules(report, target);
        expect(rules.length, 'linears in 8 bits').to.be.at.least(1);
        const better = reportOf({ ...options, rules });
        const reached = transformed(better).map(({ sqnr }) => sqnr!.output);
        const what = JSON.stringify(target);
        expect(Math.min(...reached), what).to.be.at.least(expected.minSqnr - 1);
        expect(better.totals.sqnr!.output, what).to.be.at.least(expected.meanSqnr - 1);
        expect(better.totals.modelBytes.after, what).to.be.at.most(expected.modelBytes);
        expect(better.totals.modelBytes.after, what).to.be.at.least(0.85 * expected.modelBytes);
        if ('maxBytes' in target) {
          expect(better.totals.modelBytes.after).to.be.at.most(target.maxBytes);
        }
      }
    });
  }

  it('are refused of a report without statistics', () => {
    const { model: small, report } = rewriteGraph(model, { method: 'rtn' });
    small.dispose();
    expect(() => recommendRules(report, { minSqnr: 3 })).to.throw(
      InvalidArgumentError,
      'Calibrate',
    );
  });
});
