import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import fc from 'fast-check';
import { crc32 } from '../../../ops/numerics/packing.js';
import {
  type CalibrateOptions,
  CalibrationStats,
  calibrate,
  HadaNormError,
} from '../../../src/index.js';
import { statsDistance } from '../../harness/models/siteReference.js';
import { tinyBatch, tinyDit } from '../../harness/models/tinyDit.js';

const OPTIONS: CalibrateOptions = {
  timestep: 'timestep',
  means: 6,
  samples: 3,
  tokensPerSample: 2,
};
const BATCHES = 5;

describe('CalibrationStats', () => {
  let model: tf.GraphModel;
  let batches: tf.NamedTensorMap[];
  let whole: CalibrationStats;
  /** Of each batch alone. */
  let parts: CalibrationStats[];

  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit({ hiddenSize: 16 });
    // one latent at several timesteps: the first site sees the same sample again
    const repeated = { ...tinyBatch(1), timestep: tf.tensor1d([0.9, 0.1]) };
    const more = Array.from({ length: BATCHES - 1 }, (_, i) => tinyBatch(i + 1, [0.2, 0.7]));
    batches = [repeated, ...more];
    whole = await calibrate(model, batches, OPTIONS);
    parts = [];
    for (const batch of batches) parts.push(await calibrate(model, [batch], OPTIONS));
  });

  after(() => {
    tf.dispose(batches);
    model.dispose();
  });

  it('of any split into shards, merged in any order, are those of one pass', () => {
    const orders = fc.shuffledSubarray([...Array(BATCHES).keys()], { minLength: BATCHES });
    const cuts = fc.subarray([1, 2, 3, 4]);
    const property = fc.property(orders, cuts, (order, at) => {
      const bounds = [0, ...at, BATCHES];
      const shards = bounds.slice(1).map((end, i) =>
        order
          .slice(bounds[i], end)
          .map((batch) => parts[batch]!)
          .reduce((a, b) => a.merge(b)),
      );
      const merged = shards.reduceRight((a, b) => a.merge(b));
      expect(statsDistance(merged, whole)).to.be.at.most(1e-6);
    });
    fc.assert(property, { seed: 1, numRuns: 60 });
  });

  it('of shards that were calibrated together merge to those of one pass', async () => {
    const shards = [batches.slice(0, 2), batches.slice(2)];
    const [a, b] = await Promise.all(shards.map((shard) => calibrate(model, shard, OPTIONS)));
    expect(statsDistance(a!.merge(b!), whole)).to.be.at.most(1e-6);
  });

  it('merge is commutative to the bit', () => {
    const [a, b] = parts as [CalibrationStats, CalibrationStats];
    expect(a.merge(b).serialize()).to.deep.equal(b.merge(a).serialize());
  });

  it('merging changes neither of the two', () => {
    const [a, b] = parts as [CalibrationStats, CalibrationStats];
    const before = [a.serialize(), b.serialize()];
    a.merge(b);
    expect([a.serialize(), b.serialize()]).to.deep.equal(before);
  });

  it('of other options or another model do not merge', async () => {
    const other = await tinyDit({ hiddenSize: 16, attention: 'separate', depth: 2 });
    const less = await calibrate(model, [batches[0]!], { ...OPTIONS, means: 5 });
    const foreign = await calibrate(other, [batches[0]!], OPTIONS);
    const wider = await tinyDit({ hiddenSize: 32 });
    const wide = await calibrate(wider, [batches[0]!], OPTIONS);
    expect(() => whole.merge(less)).to.throw(HadaNormError, 'keep different amounts');
    expect(() => whole.merge(foreign)).to.throw(HadaNormError, 'different models');
    expect(() => whole.merge(wide)).to.throw(HadaNormError, 'different models');
    other.dispose();
    wider.dispose();
  });

  it('come back from bytes as they were', () => {
    const again = CalibrationStats.deserialize(whole.serialize());
    expect(again.serialize()).to.deep.equal(whole.serialize());
    expect(statsDistance(again, whole)).to.equal(0);
    expect(again.keep).to.deep.equal(whole.keep);
    const inPool = Buffer.from([1, ...whole.serialize()]).subarray(1);
    expect(statsDistance(CalibrationStats.deserialize(inPool), whole), 'a Buffer').to.equal(0);
  });

  it('hold nothing of the bytes that they were read from', () => {
    const bytes = whole.serialize();
    const again = CalibrationStats.deserialize(bytes);
    bytes.fill(0);
    expect(statsDistance(again, whole)).to.equal(0);
    const buffer = Buffer.from(whole.serialize());
    const third = CalibrationStats.deserialize(buffer);
    buffer.fill(0);
    expect(statsDistance(third, whole)).to.equal(0);
  });

  it('without Hessian or timesteps come back too', async () => {
    const stats = await calibrate(model, [batches[0]!], { hessian: false });
    const again = CalibrationStats.deserialize(stats.serialize());
    expect(statsDistance(again, stats)).to.equal(0);
    expect([...again.sites.values()].every(({ scatter }) => scatter === null)).to.equal(true);
  });
});

describe('CalibrationStats.deserialize', () => {
  let bytes: Uint8Array<ArrayBuffer>;

  before(async () => {
    await tf.setBackend('cpu');
    const model = await tinyDit({ hiddenSize: 16 });
    const options = { ...OPTIONS, hessian: false, disposeBatches: true };
    bytes = (await calibrate(model, [tinyBatch(1)], options)).serialize();
    model.dispose();
  });

  const refused = (given: Uint8Array) => {
    expect(() => CalibrationStats.deserialize(given)).to.throw(
      HadaNormError,
      /truncated|no calibration statistics|Update tfjs-hadanorm/,
    );
  };

  it('refuses bytes that end anywhere, or go on', () => {
    for (let length = 0; length < 64; length++) refused(bytes.subarray(0, length));
    const lengths = fc.integer({ min: 0, max: bytes.length - 1 });
    const property = fc.property(lengths, (length) => refused(bytes.subarray(0, length)));
    fc.assert(property, { seed: 2, numRuns: 100 });
    refused(Uint8Array.from([...bytes, 0, 0, 0, 0, 0, 0, 0, 0]));
  });

  it('refuses any byte that was altered', () => {
    const flip = (at: number, mask: number) => {
      const altered = bytes.slice();
      altered[at] = altered[at]! ^ mask;
      refused(altered);
    };
    for (let at = 0; at < 16; at++) for (let bit = 0; bit < 8; bit++) flip(at, 1 << bit);
    const place = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(place, ([at, mask]) => flip(at, mask)),
      { seed: 3, numRuns: 150 },
    );
  });

  it('refuses a header that tells of other numbers, its checksum right', () => {
    const altered = bytes.slice();
    const header = new TextDecoder().decode(altered);
    const at = header.indexOf('"length":16');
    altered.set(new TextEncoder().encode('"length":24'), at);
    new DataView(altered.buffer).setInt32(12, crc32(altered.subarray(16)), true);
    refused(altered);
  });

  it('says that a newer version is newer', () => {
    const newer = bytes.slice();
    new DataView(newer.buffer).setUint32(4, 2, true);
    expect(() => CalibrationStats.deserialize(newer)).to.throw(
      HadaNormError,
      'have version 2, this is version 1. Update tfjs-hadanorm.',
    );
  });

  it('says what it wants of what are no bytes', () => {
    for (const wrong of [null, 'HNST', bytes.buffer, [1, 2]]) {
      expect(() => CalibrationStats.deserialize(wrong as unknown as Uint8Array)).to.throw(
        HadaNormError,
        'bytes must be what serialize returned',
      );
    }
  });
});
