import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  CalibrationAbortedError,
  CalibrationStats,
  calibrate,
  InvalidArgumentError,
  type Preset,
  type Progress,
  type QuantizeOptions,
  quantize,
  quantizedFiles,
  rewriteGraph,
  sequentialMemory,
} from '../../../src/index.js';
import { sqnr } from '../../../src/math/decibels.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { captionedDit } from '../../harness/graphs/maskedGraphs.js';
import { loaded } from '../../harness/graphs/run.js';
import { tinyBatch, tinyBatches, tinyDit, velocityOf } from '../../harness/models/tinyDit.js';
import { expectWithin, maxMagnitude } from '../../harness/numbers/compare.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

const TIMED = { timestep: 'timestep' };

/** Every linear is quantized: as far as the last. */
const BARE: Preset = { description: 'no rules', options: { weights: { bits: 4 } } };

const SEQUENTIAL: QuantizeOptions = {
  preset: BARE,
  sequential: true,
  calibrate: TIMED,
};

/** SQNR of what a model gives of inputs that nothing was calibrated on, dB. */
function velocitySqnr(original: tf.GraphModel, small: tf.GraphModel): number {
  const seeds = [901, 902, 903, 904];
  const all = (model: tf.GraphModel) =>
    Float32Array.from(seeds.flatMap((seed) => [...velocityOf(model, tinyBatch(seed))]));
  return sqnr(all(original), all(small));
}

/** Of cpu, which is first. */
const EXACT: { stats?: CalibrationStats } = {};

describeOnBackends('A sequential calibration', () => {
  it('is of the samples that cpu keeps, and leaves nothing behind', async () => {
    const model = await tinyDit();
    const batches = tinyBatches(2);
    await expectNoLeakAsync(async () => {
      const { stats, model: small } = await quantize(model, batches, SEQUENTIAL);
      expect(velocitySqnr(model, small)).to.be.above(30);
      small.dispose();
      EXACT.stats ??= stats;
      expect([...stats.sites.keys()]).to.deep.equal([...EXACT.stats.sites.keys()]);
      for (const [key, { original, kept }] of stats.sites) {
        const exact = EXACT.stats.sites.get(key)!;
        const hashes = (of: typeof kept) => of.map(({ hash, tokens }) => [hash, tokens]);
        expect(hashes(kept)).to.deep.equal(hashes(exact.kept));
        // a GPU's sines of the timesteps are not cpu's
        const largest = maxMagnitude(exact.original!.sum);
        expectWithin(original!.sum, exact.original!.sum, 5e-3 * largest);
      }
    });
    model.dispose();
    tf.dispose(batches);
  });
});

describe('A sequential calibration', () => {
  let model: tf.GraphModel;
  let batches: tf.NamedTensorMap[];
  const models: tf.GraphModel[] = [];

  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit({ depth: 2 });
    batches = tinyBatches(3);
  });
  after(() => {
    for (const one of [model, ...models]) one.dispose();
    tf.dispose(batches);
  });

  it('makes a better model of the same batches', async () => {
    const made = await quantize(model, batches, SEQUENTIAL);
    const plain = await quantize(model, batches, { ...SEQUENTIAL, sequential: false });
    const [better, worse] = [made, plain].map((one) => velocitySqnr(model, one.model));
    expect(better).to.be.above(worse! + 0.5);
    expect(made.report.notes!.join()).to.match(/calibrated sequentially: .* linears refit/);
    made.model.dispose();
    plain.model.dispose();
  });

  it('gives statistics of which rewriteGraph makes the same model', async () => {
    const made = await quantize(model, batches, SEQUENTIAL);
    const stats = CalibrationStats.deserialize(made.stats.serialize());
    const again = await quantize(model, stats, { preset: BARE });
    expect(await quantizedFiles(again.model)).to.deep.equal(await quantizedFiles(made.model));
    expect(again.report).to.deep.equal(made.report);
    made.model.dispose();
    again.model.dispose();
  });

  it('knows of a site what a calibration of the model quantized so far would', async () => {
    const { stats, model: small } = await quantize(model, batches, SEQUENTIAL);
    const there = await calibrate(upTo(stats, /^final_layer\/linear/), batches, TIMED);
    const plain = await calibrate(model, batches, TIMED);
    const key = 'final_layer/norm_final/modulated';
    const [own, wanted, original] = [stats, there, plain].map(({ sites }) => sites.get(key)!);
    expect(own!.total).to.deep.equal(wanted!.total);
    expect(own!.timesteps).to.deep.equal(wanted!.timesteps);
    const bare = own!.kept.map(({ original: _, ...sample }) => sample);
    expect(bare).to.deep.equal(wanted!.kept);
    // and of the same tokens what they are in the original
    expect(own!.original!.sum).to.not.deep.equal(own!.total.sum);
    expectWithin(own!.original!.sum, original!.total.sum, 1e-4 * maxMagnitude(original!.total.sum));
    for (const [i, { original: at }] of own!.kept.entries()) {
      const { rows, mean } = original!.kept[i]!;
      expect(at).to.deep.equal({ rows, mean });
    }
    small.dispose();
  });

  it('knows the products of what passes, and of what changed', async () => {
    const { stats, model: small } = await quantize(model, batches, SEQUENTIAL);
    const key = 'blocks/1/mlp/act/mul_3';
    const soFar = upTo(stats, /^(blocks\/1\/mlp\/fc2|final)/);
    const { d, scatter, original } = stats.sites.get(key)!;
    const [own, changes] = [scatter!, scatter!].map(({ length }) => new Float64Array(length));
    const cross = new Float64Array(d * d);
    for (const batch of batches) {
      const [x, there] = [soFar, model].map((one) =>
        centered(one.execute(batch, key) as tf.Tensor),
      );
      for (let row = 0; row < x!.length; row += d) {
        for (let i = 0, at = 0; i < d; i++) {
          const a = x![row + i]!;
          const change = (c: number) => there![row + c]! - x![row + c]!;
          for (let j = i; j < d; j++, at++) {
            own![at] = own![at]! + a * x![row + j]!;
            changes![at] = changes![at]! + change(i) * change(j);
          }
          for (let j = 0; j < d; j++) cross[i * d + j] = cross[i * d + j]! + a * change(j);
        }
      }
    }
    expectWithin(scatter!, own!, 1e-4 * maxMagnitude(own!));
    expectWithin(original!.cross!, cross, 1e-3 * maxMagnitude(cross));
    expectWithin(original!.changes!, changes!, 1e-3 * maxMagnitude(changes!));
    small.dispose();
  });

  /** The model with all linears quantized but some. */
  function upTo(stats: CalibrationStats, match: RegExp): tf.GraphModel {
    const rules = [{ match, treatment: 'skip' }] as const;
    const made = rewriteGraph(model, { stats, rules, fuse: false, compare: false }).model;
    models.push(made);
    return made;
  }

  it('tells how far it is, and goes on from where it was cancelled', async () => {
    const told: Progress[] = [];
    const onProgress = (at: Progress) => told.push(at);
    const whole = await quantize(model, batches, { ...SEQUENTIAL, onProgress });
    const files = await quantizedFiles(whole.model);
    whole.model.dispose();
    expect([...new Set(told.map(({ stage }) => stage))]).to.deep.equal(['calibrate', 'quantize']);
    const parts = told.filter(({ stage, name }) => stage === 'calibrate' && name !== 'inputs');
    expect(parts.at(-1)!.done).to.equal(parts.at(-1)!.total);
    for (const count of [1, 14, 25, told.length - 1]) {
      await expectNoLeakAsync(async () => {
        const abort = new AbortController();
        let seen = 0;
        const until = () => ++seen === count && abort.abort('enough');
        const running = { ...SEQUENTIAL, signal: abort.signal, onProgress: until };
        const error = await rejection(quantize(model, batches, running));
        expect(error.name).to.equal('AbortError');
        // before there is a batch, there is nothing to go on from
        if (count === 1) return;
        expect(error).to.be.instanceOf(CalibrationAbortedError);
        const resume = CalibrationStats.deserialize(
          (error as CalibrationAbortedError).stats.serialize(),
        );
        expect(error.message).to.include(`cancelled after ${resume.sites.size} sites`);
        const more: Progress[] = [];
        const again = await quantize(model, batches, {
          ...SEQUENTIAL,
          calibrate: { ...TIMED, resume },
          onProgress: (at) => more.push(at),
        });
        expect(more.length, 'what is left').to.equal(
          told.length - parts.filter(({ name }) => resume.sites.has(name)).length,
        );
        expect(again.stats.serialize()).to.deep.equal(whole.stats.serialize());
        expect(await quantizedFiles(again.model)).to.deep.equal(files);
        again.model.dispose();
      });
    }
  });

  it('reaches a target in a second round', async () => {
    await expectNoLeakAsync(async () => {
      const first = await quantize(model, batches, SEQUENTIAL);
      const outputs = first.report.linears.flatMap(({ treatment, sqnr: measured }) =>
        treatment === 'transformed' ? [measured!.output] : [],
      );
      const minSqnr = Math.min(...outputs) + 0.01;
      const made = await quantize(model, batches, { ...SEQUENTIAL, target: { minSqnr } });
      const [rule] = made.recipe!.rules;
      const changed = made.report.linears.find(({ name }) => name === rule!.match)!;
      const before = first.report.linears.find(({ name }) => name === rule!.match)!;
      const { weights, lowRank } = rule!;
      expect(changed.weightBits).to.equal(weights?.bits ?? before.weightBits);
      expect(changed.parts!.lowRank ?? 0).to.equal(lowRank);
      const former = [before.weightBits, before.parts!.lowRank ?? 0];
      expect([changed.weightBits, lowRank]).not.to.deep.equal(former);
      expect(changed.sqnr!.output).to.be.at.least(minSqnr);
      first.model.dispose();
      made.model.dispose();
    });
  });

  it('leaves out the tokens that are padding', async () => {
    const graph = captionedDit('bert');
    const padded = await loaded(graph.artifacts);
    const inputs = [1, 2].map((seed) => graph.inputs(2, graph.tokens[0]!, seed));
    const plain = await calibrate(padded, inputs);
    const { stats, model: small } = await quantize(padded, inputs, { sequential: true });
    const masked = [...stats.sites].filter(([, { mask }]) => mask !== null);
    expect(masked.length).to.be.above(0);
    for (const [key, { mask, total }] of stats.sites) {
      const wanted = plain.sites.get(key)!;
      expect([key, mask, total.tokens]).to.deep.equal([key, wanted.mask, wanted.total.tokens]);
    }
    tf.dispose(inputs);
    small.dispose();
    padded.dispose();
  });

  it('says what cannot be done, and leaves nothing', async () => {
    const stats = await calibrate(model, batches);
    const made = await quantize(model, batches, SEQUENTIAL);
    const [site] = made.stats.sites.values();
    const others = new CalibrationStats(3, new Map([['nowhere', site!]]), made.stats.keep);
    const cases: readonly [Parameters<typeof quantize>[1], object, RegExp][] = [
      [batches, { calibrate: { resume: others } }, /resume must be .*of this model.*"nowhere"/],
      [stats, {}, /^quantize: batches must be inputs of the model where sequential is true/],
      [[], {}, /^quantize: batches must be one batch at least/],
      [batches, { sequential: 1 }, /^quantize: sequential must be true or false/],
      [batches, { calibrate: { maxBytes: 9 } }, /^quantize: calibrate.maxBytes must be enough: 9/],
      [batches, { calibrate: { resume: stats } }, /^quantize: calibrate.resume must be .*another/],
      [batches.slice(1), { calibrate: { resume: made.stats } }, /calibrate.resume .*of 3 batches/],
    ];
    for (const [given, options, message] of cases) {
      await expectNoLeakAsync(async () => {
        const error = await rejection(quantize(model, given, { ...SEQUENTIAL, ...options }));
        expect(error).to.be.instanceOf(InvalidArgumentError);
        expect(error.message).to.match(message);
      });
    }
    expect(() => made.stats.merge(made.stats)).to.throw(/sequential calibration cannot be merged/);
    made.model.dispose();
  });

  it('says beforehand what memory it takes', async () => {
    const few = sequentialMemory(model, 2);
    const { stats, model: small } = await quantize(model, batches, { sequential: true });
    expect(few).to.be.above(stats.serialize().length / 2);
    // between two parts: a hidden state of each model, and little beside it
    const hidden = 2 * 4 * 16 * 32;
    const more = (sequentialMemory(model, 1002) - few) / 1000;
    expect(more).to.be.within(hidden, 8 * hidden);
    small.dispose();
  });
});

/** [..., tokens, d] less each sample's mean over its tokens. */
function centered(x: tf.Tensor): Float32Array {
  const values = tf.tidy(() => tf.sub(x, tf.mean(x, -2, true)).dataSync());
  x.dispose();
  return values as Float32Array;
}
