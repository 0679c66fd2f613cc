import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  type CalibrationStats,
  HadaNormError,
  NothingToQuantizeError,
  parseReport,
  type RewriteOptions,
  reportJson,
  rewriteGraph,
  rewriteGraphAsync,
} from '../../../src/index.js';
import { reportHtml, reportTable } from '../../../src/report.js';
import { nonDits } from '../../harness/graphs/nonDits.js';
import { loaded } from '../../harness/graphs/run.js';
import { tinyDit, tinyStats } from '../../harness/models/tinyDit.js';
import { rejection } from '../../harness/run/rejection.js';

let model: tf.GraphModel;
let stats: CalibrationStats;

before(async () => {
  await tf.setBackend('cpu');
  model = await tinyDit();
  stats = await tinyStats(model);
});
after(() => model.dispose());

/** Centered, unless the options have a method: what 'auto' leaves out is worth a note. */
function reportOf(options: RewriteOptions) {
  const center = options.method === undefined ? ({ center: 'dynamic' } as const) : {};
  const how = { stats, compare: false, ...center };
  const { model: small, report } = rewriteGraph(model, { ...how, ...options });
  small.dispose();
  return report;
}

describe('Notes of a report', () => {
  it('are absent where all was done', () => {
    for (const options of [{}, { method: 'auto' }, { weights: { bits: 8 }, seed: 3 }] as const) {
      expect(reportOf(options)).to.not.have.property('notes');
    }
    const rules = [{ role: 'mlp', weights: { bits: 8 } }] as const;
    expect(reportOf({ rules, lowRank: 2 })).to.not.have.property('notes');
  });

  const cases: readonly (readonly [RewriteOptions, readonly string[]])[] = [
    [
      { rules: [{ role: 'mlp.gate' }, { match: /block/, method: 'rtn' }, { match: 'fc3' }] },
      [
        "rules[0] (role 'mlp.gate') matches no linear; describeGraph lists what there is",
        'rules[2] (match "fc3") matches no linear; describeGraph lists what there is',
      ],
    ],
    [
      { rules: [{ role: 'attention', match: /^mlp/ }] },
      [
        "rules[0] (role 'attention', match /^mlp/) matches no linear; " +
          'describeGraph lists what there is',
      ],
    ],
    [
      { method: 'rtn', signs: true, blockSize: 8, alpha: 0.3, meanRank: 4, seed: 1 },
      [
        'seed had no effect: no linear has random signs',
        'signs had no effect: no linear is rotated',
        'blockSize had no effect: no linear is rotated',
        "meanRank had no effect: no linear is centered by 'dynamic'",
        "alpha had no effect: no linear is scaled by 'smoothquant'",
      ],
    ],
    [{ lowRank: 0, ranks: [4] }, ['ranks had no effect: no linear has a branch that was measured']],
    [
      { weights: { bits: null }, lowRank: 2, weightOnly: false },
      ['lowRank had no effect: no weights of a transformed linear are quantized'],
    ],
    [
      { activations: { bits: null, groupSize: 8, symmetric: true } },
      [
        "activations.groupSize had no effect: no activations are quantized by 'perGroup'",
        'activations.symmetric had no effect: no activations are quantized',
      ],
    ],
    [
      { rules: [{ role: 'modulation', method: 'rtn', weights: { bits: 4 } }] },
      ['rules[0].method had no effect: no linear is transformed'],
    ],
    [
      {
        rotate: true,
        lowRank: 2,
        activations: { bits: 4, groupSize: 8 },
        rules: [
          { rotate: true },
          { rotate: false, lowRank: 0, activations: { bits: 8, granularity: 'perToken' } },
        ],
      },
      [
        'rotate had no effect: rules give another wherever it holds',
        'lowRank had no effect: rules give another wherever it holds',
        "activations.groupSize had no effect: no activations are quantized by 'perGroup'",
        'rules[0].rotate had no effect: rules give another wherever it holds',
      ],
    ],
    [
      {
        center: 'static',
        rules: [
          { role: 'attention', center: 'none' },
          { role: 'mlp', center: 'none' },
        ],
      },
      ['center had no effect: rules give another wherever it holds'],
    ],
    [
      { rules: [{ treatment: 'skip' }], fuse: true },
      [
        'nothing was quantized: the options leave all of 10 linears alone',
        'fuse had no effect: fuseGraph fuses what is not quantized',
      ],
    ],
  ];
  for (const [options, notes] of cases) {
    it(`say what was not done: ${notes[0]}`, () => {
      expect(reportOf(options).notes).to.deep.equal(notes);
    });
  }

  it('say that a branch is of the weights for want of a Hessian, unless so asked', async () => {
    const bare = await tinyStats(model, { hessian: false });
    const along = (branch: 'errors' | 'weights') =>
      reportOf({ stats: bare, lowRank: 2, branch, rules: [{ role: 'mlp', lowRank: 0 }] });
    expect(along('errors').notes).to.deep.equal([
      '2 of 2 linears with a branch have the directions of the weights, ' +
        'for there is no Hessian: calibrate with hessian: true for others',
    ]);
    expect(along('weights')).to.not.have.property('notes');
  });

  it("say what center: 'auto' did not center, and that of no other method", () => {
    const report = reportOf({ center: 'auto' });
    const own = report.linears.flatMap(({ parts }) => parts ?? []);
    const plain = own.filter(({ center }) => center === 'none').length;
    expect(plain, 'linears that are not centered').to.be.above(0);
    const which = `${plain} of ${own.length} linears not centered`;
    const rest = "that measured no worse here; center: 'dynamic' centers them all the same";
    expect(report.notes).to.deep.equal([`${which}: ${rest}`]);
    expect(reportOf({ method: 'hadamard' })).to.not.have.property('notes');
    expect(reportOf({ center: 'none', meanRank: 0 }).notes).to.deep.equal([
      "meanRank had no effect: no linear is centered by 'dynamic'",
    ]);
  });

  it('say that statistics or a comparison are missing', () => {
    const { model: small, report } = rewriteGraph(model, { method: 'rtn', compare: true });
    small.dispose();
    expect(report.notes).to.deep.equal([
      'compare had no effect: there is nothing to measure other methods on',
    ]);
  });

  it('are shown by table and page, and kept as JSON', async () => {
    const report = reportOf({ rules: [{ match: '<b>\u001b' }] });
    const [note] = report.notes!;
    expect(parseReport(reportJson(report))).to.deep.equal(report);
    for (const by of ['linear', 'role'] as const) {
      expect(reportTable(report, { by }).endsWith(`\n! ${note!.replace('\u001b', '�')}`)).to.equal(
        true,
      );
    }
    const page = await reportHtml(report);
    expect(page).to.include('<h2>Notes</h2>').and.include('matches no linear');
    expect(page).to.not.include('<b>');
  });

  it('may be absent from a report that is read, but are texts', () => {
    const report = reportOf({});
    expect(parseReport(reportJson(report))).to.not.have.property('notes');
    const text = reportJson({ ...report, notes: ['a'] });
    expect(parseReport(text).notes).to.deep.equal(['a']);
    expect(() => parseReport(text.replace('"a"', '7'))).to.throw('report.notes[0]');
    expect(() => reportTable({ ...report, notes: 'a' } as never)).to.throw('report.notes');
  });
});

describe('A second quantization', () => {
  it('of what is quantized wholly is an error that says so', async () => {
    const { model: small } = rewriteGraph(model, { stats });
    expect(() => rewriteGraph(small, { method: 'rtn' }))
      .to.throw(NothingToQuantizeError, /quantized already: 10 linears .* Rewrite the original/)
      .with.property('name', 'NothingToQuantizeError');
    const error = await rejection(rewriteGraphAsync(small, { method: 'rtn' }));
    expect(error).to.be.instanceOf(HadaNormError).and.instanceOf(NothingToQuantizeError);
    expect(error.message).to.match(/^rewriteGraphAsync: /);
    small.dispose();
  });

  it('quantizes what was left, and says what was not', () => {
    const { model: some } = rewriteGraph(model, { stats, weightOnly: false, compare: false });
    const { model: all, report } = rewriteGraph(some, { method: 'rtn', weightOnly: {} });
    expect(report.notes?.[0]).to.match(/^\d linears quantized already: left as they were$/);
    expect(report.linears.every(({ treatment }) => treatment !== 'untouched')).to.equal(true);
    some.dispose();
    all.dispose();
  });
});

describe('A model in which there is nothing to quantize', () => {
  for (const { title, artifacts } of nonDits()) {
    it(`is an error that says what was found: ${title}`, async () => {
      const other = await loaded(artifacts);
      const before = tf.memory().numTensors;
      expect(() => rewriteGraph(other, { method: 'rtn' }))
        .to.throw(NothingToQuantizeError)
        .with.property('message')
        .that.matches(/no linear was found among \d+ node|\d linears? found, none with a role/)
        .and.includes('describeGraph(model)');
      expect(tf.memory().numTensors).to.equal(before);
      // what the options ask for is no error
      const { model: same, report } = rewriteGraph(other, { rules: [{ treatment: 'skip' }] });
      expect(report.notes?.[0]).to.match(/^nothing was quantized: the options leave/);
      same.dispose();
      other.dispose();
    });
  }
});
