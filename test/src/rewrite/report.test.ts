import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { halfBitsOf } from '../../../ops/numerics/half.js';
import { graphOfModel } from '../../../src/graph/model.js';
import { weightBytes } from '../../../src/graph/weights.js';
import {
  type CalibrationStats,
  calibrate,
  evaluateLinears,
  parseReport,
  type QuantizationReport,
  quantizedFiles,
  type RewriteOptions,
  reportJson,
  rewriteGraph,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { loaded } from '../../harness/graphs/run.js';
import {
  TINY_TOKENS,
  tinyArtifacts,
  tinyBatch,
  tinyDit,
  weightDataOf,
} from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

const TIMES = [0.25, 0.75];

/** One rewrite of each kind of part. */
const OPTIONS: readonly (readonly [string, RewriteOptions])[] = [
  ['HadaNorm at W4A8', {}],
  ['HadaNorm at W4A4', { activations: { bits: 4, groupSize: 16 } }],
  ['SmoothQuant at W8A8', { method: 'smoothquant', weights: { bits: 8 } }],
  [
    'QuaRot in blocks at W3A6',
    { method: 'hadamard', blockSize: 8, weights: { bits: 3 }, activations: { bits: 6 } },
  ],
  [
    'centered, symmetric per tensor',
    { method: 'centered', activations: { symmetric: true, granularity: 'perTensor' } },
  ],
  ['a static mean and range', { center: 'static', activations: { range: 'static' } }],
  ['a low-rank branch, per channel', { lowRank: 4, weights: { granularity: 'perChannel' } }],
  [
    'a scale by deviation, few signs and directions',
    { scale: 'std', signs: false, meanRank: 2, rotate: true },
  ],
];

describeOnBackends('A report', () => {
  let model: tf.GraphModel;
  let batches: tf.NamedTensorMap[];
  let stats: CalibrationStats;

  before(async () => {
    model = await tinyDit({ attention: 'separate' });
    // one batch: the range of a whole tensor depends on what is in it
    batches = [tinyBatch(1, [...TIMES, ...TIMES])];
    // all tokens of all samples are kept, so that what is measured is what the model computes on
    // them
    const keep = { means: 8, samples: 8, tokensPerSample: TINY_TOKENS };
    stats = await calibrate(model, batches, { ...keep, timestep: 'timestep' });
  });
  after(() => {
    tf.dispose(batches);
    model.dispose();
  });

  for (const [title, options] of OPTIONS) {
    for (const mode of ['integer', 'simulate'] as const) {
      it(`tells of each linear what the model computes, mode ${mode}: ${title}`, async () => {
        await expectNoLeakAsync(async () => {
          const given = { ...options, stats, compare: false, mode };
          const { model: small, report } = rewriteGraph(model, given);
          const evaluated = await evaluateLinears(model, small, batches);
          expect(evaluated.map(({ name }) => name)).to.deep.equal(
            report.linears.map(({ name }) => name),
          );
          const { nodes } = graphOfModel('test', small);
          // of the others there is the activation alone, which the report does not tell of
          const seen = report.linears.filter(({ name }) => nodes.has(name));
          const activated = report.linears.filter(({ name }) => !nodes.has(name));
          const max = ['embedding', 'mlp.in'];
          if (mode === 'integer') expect(max).to.include.members(activated.map(({ role }) => role));
          else expect(activated).to.deep.equal([]);
          const outputs = new Map(evaluated.map(({ name, output }) => [name, output]));
          const off = seen.flatMap(({ name, sqnr }) => {
            const error = Math.abs(sqnr!.output - outputs.get(name)!);
            return error <= 0.05 ? [] : [`${name}: ${sqnr!.output} and ${outputs.get(name)} dB`];
          });
          expect(off).to.deep.equal([]);
          small.dispose();
        });
      });
    }
  }

  it('tells of each timestep what the model computes there', async () => {
    // 'simulate': there is a node for every linear before its activation
    const { model: small, report } = rewriteGraph(model, {
      stats,
      compare: false,
      mode: 'simulate',
    });
    for (const [i, time] of TIMES.entries()) {
      const parts = batches.flatMap((batch) => [at(batch, i), at(batch, i + 2)]);
      const evaluated = await evaluateLinears(model, small, parts);
      tf.dispose(parts);
      report.linears.forEach(({ name, byTimestep, sqnr, treatment }, j) => {
        expect(byTimestep.length).to.equal(treatment === 'transformed' ? 2 : 0);
        if (treatment !== 'transformed') return;
        const { timestep, output } = byTimestep[i]!;
        expect(timestep).to.equal(time);
        expect(Math.abs(output - evaluated[j]!.output), name).to.be.at.most(0.05);
        const outputs = byTimestep.map((entry) => entry.output);
        expect(sqnr!.output).to.be.at.least(Math.min(...outputs) - 1e-6);
        expect(sqnr!.output).to.be.at.most(Math.max(...outputs) + 1e-6);
      });
    }
    small.dispose();
  });
});

/** One sample of a batch. */
function at(batch: tf.NamedTensorMap, i: number): tf.NamedTensorMap {
  const entries = Object.entries(batch).map(([name, tensor]) => [name, tf.slice(tensor, i, 1)]);
  return Object.fromEntries(entries) as tf.NamedTensorMap;
}

describe('A report', () => {
  let model: tf.GraphModel;
  let stats: CalibrationStats;
  let small: tf.GraphModel;
  let report: QuantizationReport;

  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit({ attention: 'separate' });
    stats = await calibrate(model, [tinyBatch(1)], { disposeBatches: true });
    ({ model: small, report } = rewriteGraph(model, { stats, lowRank: 2 }));
  });
  after(() => {
    model.dispose();
    small.dispose();
  });

  it('adds up to the bytes of the file', async () => {
    const names = new Set(graphOfModel('test', model).weights.keys());
    const weights = [...graphOfModel('test', small).weights.values()];
    const rest = weights
      .filter(({ spec }) => names.has(spec.name))
      .reduce((sum, weight) => sum + weightBytes(weight), 0);
    const { linears, totals } = report;
    const after = linears.reduce((sum, { bytes }) => sum + bytes.after, 0);
    const files = [...(await quantizedFiles(small))].filter(([name]) => name !== 'model.json');
    const inFiles = files.reduce((sum, [, bytes]) => sum + bytes.length, 0);
    expect(totals.linearBytes.after).to.equal(after);
    expect(after + rest).to.equal(totals.modelBytes.after);
    expect(totals.modelBytes.after).to.equal(inFiles);
  });

  it('of linears that are left alone knows that the file has them in half floats', async () => {
    const { weightSpecs, weightData, ...rest } = tinyArtifacts();
    let at = 0;
    const halved = (weightSpecs ?? []).map((spec) => {
      const size = tf.util.sizeFromShape(spec.shape);
      const bytes = weightDataOf({ weightData } as tf.io.ModelArtifacts).slice(at, at + 4 * size);
      at += 4 * size;
      if (spec.dtype !== 'float32') return { spec, bytes };
      const values = halfBitsOf(new Float32Array(bytes.buffer));
      const half = { ...spec, quantization: { dtype: 'float16' as const } };
      return { spec: half, bytes: new Uint8Array(values.buffer) };
    });
    const halves = await loaded({
      ...rest,
      weightSpecs: halved.map(({ spec }) => spec),
      weightData: Uint8Array.from(halved.flatMap(({ bytes }) => [...bytes])).buffer,
    });
    const rules = [{ role: 'mlp', treatment: 'skip' }] as const;
    const { model: left, report: found } = rewriteGraph(halves, {
      ...{ method: 'hadamard', weightOnly: false, rules, compare: false },
    });
    const untouched = found.linears.filter(({ treatment }) => treatment === 'untouched');
    expect(untouched.length).to.be.above(3);
    for (const { name, bytes } of untouched) {
      expect(bytes.after, name).to.equal(bytes.before / 2);
    }
    const { linearBytes, modelBytes } = found.totals;
    expect(linearBytes.after).to.be.below(modelBytes.after);
    left.dispose();
    halves.dispose();
  });

  it('knows the bytes of the original in float32', () => {
    const weights = [...graphOfModel('test', model).weights.values()];
    const whole = weights.reduce((sum, weight) => sum + weightBytes(weight), 0);
    expect(report.totals.modelBytes.before).to.equal(whole);
    for (const { name, shape, bytes } of report.linears) {
      expect(bytes.before, name).to.equal(4 * (shape[0] * shape[1] + shape[1]));
    }
  });

  it('survives JSON', () => {
    expect(parseReport(reportJson(report))).to.deep.equal(report);
    const exact = rewriteGraph(model, {
      stats,
      weights: { bits: null },
      activations: { bits: null },
      rules: [{ role: 'mlp', treatment: 'skip' }],
    });
    expect(parseReport(reportJson(exact.report))).to.deep.equal(exact.report);
    exact.model.dispose();
  });

  it('promises more of 8 bits than 4 bits give, for more bytes', () => {
    const transformed = report.linears.filter(({ treatment }) => treatment === 'transformed');
    expect(transformed.length).to.equal(6);
    for (const { name, sqnr, at8Bits, bytes } of transformed) {
      expect(at8Bits!.output, name).to.be.above(sqnr!.output + 6);
      expect(at8Bits!.bytes, name).to.be.above(bytes.after);
    }
  });

  it('counts every channel in its histograms', () => {
    for (const { name, shape, channels, treatment } of report.linears) {
      expect(channels === null, name).to.equal(treatment !== 'transformed');
      if (channels === null) continue;
      for (const { edges, counts } of [channels.before, channels.after]) {
        expect(
          counts.reduce((sum, count) => sum + count, 0),
          name,
        ).to.equal(shape[0]);
        expect(edges.length).to.equal(counts.length + 1);
        expect(edges.every((edge, i) => i === 0 || edge > edges[i - 1]!)).to.equal(true);
      }
    }
  });

  it('has no timesteps where none were named, and means of what was measured', () => {
    expect(report.linears.every(({ byTimestep }) => byTimestep.length === 0)).to.equal(true);
    const transformed = report.linears.filter(({ treatment }) => treatment === 'transformed');
    for (const figure of ['activations', 'weights', 'output'] as const) {
      const sum = transformed.reduce((total, { sqnr }) => total + sqnr![figure], 0);
      expect(report.totals.sqnr![figure]).to.be.closeTo(sum / transformed.length, 1e-9);
    }
    expect(Object.keys(report.totals.compared).sort()).to.deep.equal([
      'hadamard',
      'rtn',
      'smoothquant',
    ]);
  });

  it('compares with what the other methods give by themselves', () => {
    for (const method of ['rtn', 'smoothquant', 'hadamard'] as const) {
      const own = rewriteGraph(model, { stats, method, lowRank: 0, compare: false });
      own.model.dispose();
      own.report.linears.forEach(({ name, sqnr, treatment }, i) => {
        if (treatment !== 'transformed') return;
        expect(report.linears[i]!.compared[method], name).to.deep.equal(sqnr);
      });
    }
  });

  it('without comparing has none', () => {
    const plain = rewriteGraph(model, { stats, compare: false });
    plain.model.dispose();
    expect(
      plain.report.linears.every(({ compared }) => Object.keys(compared).length === 0),
    ).to.equal(true);
  });
});
