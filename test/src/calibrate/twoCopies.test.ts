import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  CalibrationStats,
  calibrate,
  calibrationMemory,
  HadaNormError,
  InvalidArgumentError,
  rewriteGraph,
} from '../../../src/index.js';
import { tinyBatches, tinyDit, tinyStats } from '../../harness/models/tinyDit.js';
import { rejection } from '../../harness/run/rejection.js';

const OPTIONS = { means: 6, samples: 3, tokensPerSample: 2 };

describe('Statistics of a second copy of the package', () => {
  let model: tf.GraphModel;
  let own: CalibrationStats;
  /** The same numbers, of the other copy's class. */
  let other: CalibrationStats;
  let Other: typeof CalibrationStats;

  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit({ hiddenSize: 16 });
    own = await tinyStats(model, OPTIONS);
    const path = '../../../src/calibrate/stats.js?copy';
    const copy: { CalibrationStats: typeof CalibrationStats } = await import(path);
    Other = copy.CalibrationStats;
    other = Other.deserialize(own.serialize());
  });
  after(() => model.dispose());

  it('are instances of this one’s class, and the other way round', () => {
    expect(Other).not.to.equal(CalibrationStats);
    expect([other instanceof CalibrationStats, own instanceof Other]).to.deep.equal([true, true]);
    for (const none of [{}, null, 7, [], new Map(), new Error('x'), Object.create(null)]) {
      expect(none instanceof CalibrationStats).to.equal(false);
    }
  });

  it('merge with this one’s, in either order', () => {
    const merged = own.merge(own).serialize();
    expect(own.merge(other).serialize()).to.deep.equal(merged);
    expect(other.merge(own).serialize()).to.deep.equal(merged);
  });

  it('are resumed from', async () => {
    const options = { ...OPTIONS, disposeBatches: true };
    const whole = await calibrate(model, tinyBatches(3), options);
    const resumed = await calibrate(model, tinyBatches(3), { ...options, resume: other });
    expect(resumed.serialize()).to.deep.equal(whole.serialize());
  });

  it('give the very model that this one’s give', () => {
    const weightsOf = (stats: CalibrationStats) => {
      const { model: small, report } = rewriteGraph(model, { stats, compare: false });
      const values = Object.values(small.weights).map(([tensor]) => [...tensor!.dataSync()]);
      small.dispose();
      return { values, report };
    };
    expect(weightsOf(other)).to.deep.equal(weightsOf(own));
  });

  it('are checked: another version may hold something else', async () => {
    const { batches, sites, keep } = own;
    const lies = [
      { batches, keep, sites: Object.fromEntries(sites) },
      { batches, keep, sites: new Map([...sites].map(([name, site]) => [name, { d: site.d }])) },
      { sites, keep },
      { batches, sites },
    ].map((fields) => Object.assign(Object.create(Other.prototype), fields) as CalibrationStats);
    for (const stats of lies) {
      expect(stats).to.be.instanceOf(CalibrationStats);
      expect(() => own.merge(stats)).to.throw(InvalidArgumentError, /^CalibrationStats\.merge: /);
      expect(() => rewriteGraph(model, { stats })).to.throw(InvalidArgumentError, 'rewriteGraph: ');
      const options = { ...OPTIONS, resume: stats };
      expect(() => calibrationMemory(model, options)).to.throw(InvalidArgumentError);
      const error = await rejection(calibrate(model, [], options));
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(error.message).to.match(/^calibrate: /);
    }
  });

  it('what are no statistics is not merged', () => {
    for (const wrong of [7, null, undefined, {}, 'stats', [own], Object.assign({}, own)]) {
      expect(() => own.merge(wrong as CalibrationStats)).to.throw(
        InvalidArgumentError,
        'CalibrationStats.merge: other must be what calibrate returns, got ',
      );
    }
  });
});

describe('Errors of a second copy of the package', () => {
  it('are instances of this one’s classes, of the same name alone', async () => {
    const path = '../../../ops/numerics/errors.js?copy';
    const copy: typeof import('../../../ops/numerics/errors.js') = await import(path);
    const error: unknown = new copy.InvalidArgumentError('op', 'x', 'a', 'b');
    expect(copy.InvalidArgumentError).not.to.equal(InvalidArgumentError);
    expect(error).to.be.instanceOf(InvalidArgumentError).and.instanceOf(HadaNormError);
    expect(error).to.be.instanceOf(Error);
    expect(new copy.HadaNormError('op', 'x')).not.to.be.instanceOf(InvalidArgumentError);
    expect(new copy.WasmMemoryError(1)).not.to.be.instanceOf(InvalidArgumentError);
    expect(new Error('op: x')).not.to.be.instanceOf(HadaNormError);
  });

  it('a class of the user’s that extends one is only itself', () => {
    class Own extends HadaNormError {}
    expect(new Own('op', 'x')).to.be.instanceOf(Own).and.instanceOf(HadaNormError);
    expect(new HadaNormError('op', 'x')).not.to.be.instanceOf(Own);
  });
});
