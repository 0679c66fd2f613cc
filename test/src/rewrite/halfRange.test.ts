import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit } from '../../../models/builder/dit.js';
import { seededDitWeights } from '../../../models/seeded.js';
import {
  HadaNormError,
  loadQuantized,
  type Method,
  type RewriteOptions,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import { sqnr } from '../../../src/math/decibels.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { TINY, tinyBatch, tinyStats, velocityOf } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

const METHODS: readonly (Method | 'auto')[] = [
  'hadanorm',
  'centered',
  'hadamard',
  'smoothquant',
  'rtn',
  'auto',
];

const CENTERING: readonly string[] = ['hadanorm', 'centered', 'auto'];

/**
 * A DiT in which so many channels of what its last MLP linear reads are at `by`, with weights that
 * bring them back: T5 and others have such constant channels.
 */
function withConstants(by: number, channels = 1): Promise<tf.GraphModel> {
  const weights = seededDitWeights(TINY, 1);
  const bias = weights.get('blocks.0.mlp.fc1.bias')!.values;
  const { shape, values } = weights.get('blocks.0.mlp.fc2.weight')!; // [n, d]
  for (let c = 0; c < channels; c++) {
    bias[c] = by;
    for (let j = 0; j < shape[0]!; j++) values[j * shape[1]! + c] = values[j * shape[1]! + c]! / by;
  }
  return tf.loadGraphModel(tf.io.fromMemory(buildDit(TINY, weights)));
}

describeOnBackends('Means beyond half precision', () => {
  for (const by of [3e4, 2e5, 1e6]) {
    it(`are kept: ${by}, by every method in both modes`, async () => {
      await expectNoLeakAsync(async () => {
        const model = await withConstants(by);
        const stats = await tinyStats(model);
        const exact = velocityOf(model, tinyBatch(5));
        for (const method of METHODS) {
          for (const mode of ['integer', 'simulate'] as const) {
            const options: RewriteOptions = { stats, method, mode, weights: { bits: 8 } };
            const { model: small, report } = rewriteGraph(model, { ...options, compare: false });
            const values = velocityOf(small, tinyBatch(5));
            small.dispose();
            const outputs = report.linears.flatMap((linear) => linear.sqnr?.output ?? []);
            const what = `${method} ${mode}`;
            expect([...values, ...outputs].every(Number.isFinite), what).to.equal(true);
            // without centering such a constant costs accuracy, as in any quantizer
            if (!CENTERING.includes(method)) continue;
            expect(sqnr(exact, values), what).to.be.above(35);
            for (const output of outputs) expect(output, what).to.be.above(30);
          }
        }
        model.dispose();
      });
    });
  }

  it('are kept in files, beside low-rank factors and a static mean too', async () => {
    await expectNoLeakAsync(async () => {
      const model = await withConstants(2e5);
      const stats = await tinyStats(model);
      const exact = velocityOf(model, tinyBatch(5));
      for (const options of [{}, { lowRank: 4 }, { center: 'static' }] as const) {
        const given = { stats, weights: { bits: 8 }, ...options, compare: false };
        const { model: small } = rewriteGraph(model, given);
        const values = velocityOf(small, tinyBatch(5));
        const again = await loadQuantized(tf.io.fromMemory(await saved(small)));
        small.dispose();
        expect(velocityOf(again, tinyBatch(5))).to.deep.equal(values);
        again.dispose();
        expect(sqnr(exact, values), JSON.stringify(options)).to.be.above(35);
      }
      model.dispose();
    });
  });
});

describe('A measurement that is NaN', () => {
  let model: tf.GraphModel;
  before(async () => {
    await tf.setBackend('cpu');
    // rotated, these 32 of 64 channels add up to more than float32 holds
    model = await withConstants(3e38, 32);
  });
  after(() => model.dispose());

  it("is not taken by 'auto'", async () => {
    const stats = await tinyStats(model, { hessian: false });
    const { model: small, report } = rewriteGraph(model, { stats, method: 'auto' });
    small.dispose();
    const out = report.linears.find(({ role }) => role === 'mlp.out')!;
    expect(out.compared.hadamard!.output).to.be.NaN;
    expect(out.sqnr!.output).to.be.above(10);
  });

  it("is not taken by rotate 'auto', and is an error for a method asked for by name", async () => {
    const stats = await tinyStats(model, { hessian: false });
    const options: RewriteOptions = { stats, center: 'none', meanRank: 0, scale: 'none' };
    const { model: small, report } = rewriteGraph(model, { ...options, compare: false });
    small.dispose();
    const out = report.linears.find(({ role }) => role === 'mlp.out')!;
    expect(out.sqnr!.output).to.be.at.least(0);
    expect(() => rewriteGraph(model, { stats, method: 'hadamard' }))
      .to.throw(HadaNormError)
      .with.property('message')
      .that.matches(/quantized by hadamard, ".*" gives NaN on the calibration data/);
  });
});

/** What a save handler is given, in pages too. */
async function saved(model: tf.GraphModel): Promise<tf.io.ModelArtifacts> {
  const all: tf.io.ModelArtifacts[] = [];
  const handler = tf.io.withSaveHandler(async (artifacts) => {
    all.push({ ...artifacts });
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
  });
  await saveQuantized(model, handler);
  return all[0]!;
}
