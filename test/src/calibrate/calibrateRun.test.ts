import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { TAP_OP, tapGraphOp } from '../../../src/calibrate/tap.js';
import {
  type CalibrateOptions,
  CalibrationAbortedError,
  type CalibrationProgress,
  CalibrationStats,
  calibrate,
  calibrationMemory,
  HadaNormError,
  InvalidArgumentError,
} from '../../../src/index.js';
import { nonDits } from '../../harness/graphs/nonDits.js';
import { loaded } from '../../harness/graphs/run.js';
import { bytesOfStats } from '../../harness/models/siteReference.js';
import { tinyBatch, tinyBatches, tinyDit } from '../../harness/models/tinyDit.js';
import { rejection } from '../../harness/run/rejection.js';

const KEEP = { means: 6, samples: 3, tokensPerSample: 2 };
const OWN: CalibrateOptions = { ...KEEP, disposeBatches: true };

describe('calibrate', () => {
  let model: tf.GraphModel;

  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit({ hiddenSize: 16 });
  });
  after(() => model.dispose());

  describe('with timesteps', () => {
    const timesOf = async (options: CalibrateOptions, times: number[]) => {
      const stats = await calibrate(model, [tinyBatch(1, times)], { ...OWN, ...options });
      const [site] = stats.sites.values();
      return [...site!.timesteps].map(([time, { samples }]) => [time, samples]);
    };

    it('counts every distinct value apart, in ascending order', async () => {
      const times = await timesOf({ timestep: 'timestep' }, [0.75, 0.25, 0.5, 0.25]);
      expect(times).to.deep.equal([
        [0.25, 2],
        [0.5, 1],
        [0.75, 1],
      ]);
    });

    it('counts in bins, named by their middles; what is outside goes to the nearest', async () => {
      const bins = { min: 0, max: 1, count: 4 };
      const times = await timesOf(
        { timestep: { input: 'timestep', bins } },
        [0, 0.3, 0.31, 1, -3, 9],
      );
      expect(times).to.deep.equal([
        [0.125, 2],
        [0.375, 2],
        [0.875, 2],
      ]);
    });

    it('takes 64 distinct values, and says how to have more', async () => {
      const values = (count: number) => Array.from({ length: count }, (_, i) => i / 128);
      expect((await timesOf({ timestep: 'timestep' }, values(64))).length).to.equal(64);
      const error = await rejection(timesOf({ timestep: 'timestep' }, values(65)));
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(error.message).to.include('at most 64 distinct values').and.include('Give bins');
      const bins = { min: 0, max: 1, count: 2 };
      const binned = await timesOf({ timestep: { input: 'timestep', bins } }, values(65));
      expect(binned.length).to.equal(2);
    });

    it('refuses an input that the model does not have, and values not finite', async () => {
      const unknown = await rejection(timesOf({ timestep: 'time' }, [0.5]));
      expect(unknown).to.be.instanceOf(InvalidArgumentError);
      expect(unknown.message).to.include('latent').and.include('"time"');
      const infinite = await rejection(timesOf({ timestep: 'timestep' }, [Number.NaN]));
      expect(infinite.message).to.include('finite');
    });
  });

  const BAD: readonly [string, object][] = [
    ['hessian', { hessian: 1 }],
    ['timestep', { timestep: 3 }],
    ['timestep.input', { timestep: { bins: { min: 0, max: 1, count: 1 } } }],
    ['timestep.bins', { timestep: { input: 'timestep', bins: null } }],
    ['timestep.bins', { timestep: { input: 'timestep', bins: { min: 1, max: 1, count: 1 } } }],
    ['timestep.bins.count', { timestep: { input: 'timestep', bins: { min: 0, max: 1 } } }],
    ['means', { means: 0 }],
    ['samples', { samples: 200 }],
    ['tokensPerSample', { tokensPerSample: 1.5 }],
    ['maxBytes', { maxBytes: -1 }],
    ['resume', { resume: {} }],
    ['disposeBatches', { disposeBatches: 'yes' }],
    ['options', { sample: 3 }],
    ['options', null as never],
  ];
  for (const [argument, options] of BAD) {
    it(`names the option: ${argument} of ${JSON.stringify(options)}`, async () => {
      const error = await rejection(calibrate(model, [], options));
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect((error as InvalidArgumentError).argument).to.equal(argument);
      expect(() => calibrationMemory(model, options)).to.throw(InvalidArgumentError, argument);
    });
  }

  describe('with another op in the place of its own', () => {
    after(() => tf.registerOp(TAP_OP, tapGraphOp));

    it('a second copy of the package, imported later, shows tensors to this one', async () => {
      const path = '../../../src/calibrate/tap.js?copy';
      const copy: { tapGraphOp: typeof tapGraphOp } = await import(path);
      expect(copy.tapGraphOp).not.to.equal(tapGraphOp);
      const before = await calibrate(model, [tinyBatch(1, [0.5])], OWN);
      tf.registerOp(TAP_OP, copy.tapGraphOp);
      const stats = await calibrate(model, [tinyBatch(1, [0.5])], OWN);
      expect(bytesOfStats(stats)).to.deep.equal(bytesOfStats(before));
    });

    it('a stranger’s op is an error, not empty statistics', async () => {
      tf.registerOp(TAP_OP, ({ inputs }) => tf.reshape(inputs[0]!, inputs[0]!.shape));
      const error = await rejection(calibrate(model, [tinyBatch(1, [0.5])], OWN));
      expect(error).to.be.instanceOf(HadaNormError);
      expect(error.message).to.include('was not seen').and.include('HadaNormTap');
    });
  });

  it('keeps fewer samples where fewer means are kept', async () => {
    expect(
      (await calibrate(model, tinyBatches(1), { means: 2, disposeBatches: true })).keep.samples,
    ).to.equal(2);
  });

  it('without a Hessian has none, and needs less memory', async () => {
    const stats = await calibrate(model, tinyBatches(1), { ...OWN, hessian: false });
    expect([...stats.sites.values()].every(({ scatter }) => scatter === null)).to.equal(true);
    expect(calibrationMemory(model, { hessian: false })).to.be.below(calibrationMemory(model));
  });

  it('promises the memory of its statistics, never less and within twice', async () => {
    const cases: CalibrateOptions[] = [
      KEEP,
      { ...KEEP, hessian: false },
      { ...KEEP, timestep: { input: 'timestep', bins: { min: 0, max: 1, count: 4 } } },
    ];
    for (const options of cases) {
      const progress: CalibrationProgress[] = [];
      const batches = Array.from({ length: 8 }, (_, i) => tinyBatch(i, [0.1, 0.3, 0.6, 0.9]));
      const stats = await calibrate(model, batches, {
        ...options,
        disposeBatches: true,
        onProgress: (at) => progress.push(at),
      });
      const bytes = calibrationMemory(model, options);
      const actual = bytesOfStats(stats);
      expect(actual)
        .to.be.at.most(bytes)
        .and.above(bytes / 2);
      const { size: sites } = stats.sites;
      const at = { stage: 'calibrate', total: batches.length, name: '', sites, bytes };
      expect(progress).to.deep.equal(
        batches.map((_, i) => ({ ...at, done: i + 1, batches: i + 1 })),
      );
    }
  });

  it('refuses to take more memory than allowed before a batch is drawn', async () => {
    let drawn = 0;
    const batches = {
      *[Symbol.iterator]() {
        drawn++;
        yield tinyBatch(1);
      },
    };
    const bytes = calibrationMemory(model, KEEP);
    const error = await rejection(calibrate(model, batches, { ...OWN, maxBytes: bytes - 1 }));
    expect(error).to.be.instanceOf(InvalidArgumentError);
    expect(error.message).to.include('maxBytes').and.include(`${bytes}`).and.include('Lower means');
    expect(drawn).to.equal(0);
    await calibrate(model, batches, { ...OWN, maxBytes: bytes });
    expect(drawn).to.equal(1);
  });

  it('refuses a model without linears', async () => {
    const titles = ['a graph without weights', 'a classifier'];
    for (const { artifacts } of nonDits().filter(({ title }) => titles.includes(title))) {
      const other = await loaded(artifacts);
      const error = await rejection(calibrate(other, []));
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(error.message).to.include('model must be').and.include('describeGraph');
      other.dispose();
    }
  });

  it('of no batches says so by its counts', async () => {
    const stats = await calibrate(model, [], KEEP);
    expect(stats.batches).to.equal(0);
    expect(CalibrationStats.deserialize(stats.serialize()).batches).to.equal(0);
    expect([...stats.sites.values()].every(({ total }) => total.tokens === 0)).to.equal(true);
  });

  it('names the class of its errors', () => {
    expect(new CalibrationAbortedError(new CalibrationStats(0, new Map(), KEEP))).to.be.instanceOf(
      HadaNormError,
    );
  });
});
