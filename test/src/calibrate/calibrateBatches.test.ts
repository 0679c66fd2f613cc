import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  type Batch,
  type CalibrateOptions,
  calibrate,
  InvalidArgumentError,
} from '../../../src/index.js';
import { statsDistance } from '../../harness/models/siteReference.js';
import { tinyBatch, tinyBatches, tinyDit } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

const OWN: CalibrateOptions = {
  means: 6,
  samples: 3,
  tokensPerSample: 2,
  timestep: 'timestep',
  disposeBatches: true,
};

describe('calibrate takes batches', () => {
  let model: tf.GraphModel;

  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit({ hiddenSize: 16 });
  });
  after(() => model.dispose());

  it('from arrays, generators and async generators, and goes through them once', async () => {
    const expected = await calibrate(model, tinyBatches(3), OWN);
    function* some() {
      yield* tinyBatches(3);
    }
    async function* later() {
      for (const batch of tinyBatches(3)) {
        await Promise.resolve();
        yield batch;
      }
    }
    for (const batches of [some(), later(), new Set(tinyBatches(3))]) {
      expect(statsDistance(await calibrate(model, batches, OWN), expected)).to.equal(0);
    }
  });

  it('as tensors by name or in the order of the inputs', async () => {
    const expected = await calibrate(model, [tinyBatch(1)], OWN);
    const batch = tinyBatch(1);
    const ordered = model.inputs.map(({ name }) => batch[name.replace(/:0$/, '')]!);
    const stats = await calibrate(model, [ordered], OWN);
    expect(statsDistance(stats, expected)).to.equal(0);
  });

  const wrong: readonly [string, unknown, string][] = [
    ['a number', 3, 'batches must be an iterable'],
    ['null', null, 'batches must be an iterable'],
    ['one batch instead of several', { latent: 1 }, 'batches must be an iterable'],
    ['a number as a batch', [3], 'batches[0] must be a tensor'],
    ['null as a batch', [null], 'batches[0] must be a tensor'],
    ['numbers as an input', [{ latent: [1, 2] }], 'batches[0].latent must be a tensor'],
  ];
  for (const [title, batches, message] of wrong) {
    it(`and refuses ${title}`, async () => {
      const error = await rejection(calibrate(model, batches as Iterable<Batch>));
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(error.message).to.include(message);
    });
  }

  it('and refuses a tensor', async () => {
    const one = tf.scalar(1);
    const error = await rejection(calibrate(model, one as unknown as Iterable<Batch>));
    expect(error.message).to.include('batches must be an iterable');
    one.dispose();
  });

  it('and refuses a disposed one', async () => {
    const batch = tinyBatch(1);
    batch.latent!.dispose();
    const error = await rejection(calibrate(model, [batch], OWN));
    expect(error.message).to.include('batches[0].latent').and.include('a disposed tensor');
    tf.dispose(batch);
  });

  it('and says which input is missing', async () => {
    await expectNoLeakAsync(async () => {
      const { latent, label, timestep } = tinyBatch(1);
      timestep!.dispose();
      const error = await rejection(calibrate(model, [{ latent, label } as Batch], OWN));
      expect(error.message).to.include('timestep');
      tf.dispose([latent, label]);
    });
  });
});
