import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  type Batch,
  calibrate,
  evaluateLinears,
  InvalidArgumentError,
  rewriteGraph,
} from '../../../src/index.js';
import { tinyBatch, tinyDit } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

type Make = (right: tf.NamedTensorMap) => Batch;

/** What is wrong with the second batch, made of a right one, and what the error says of it. */
const WRONG: readonly [string, Make, RegExp][] = [
  [
    'an input that is missing',
    ({ label: _, ...rest }) => rest,
    /batches\[1\] must be tensors for latent, timestep, label, got none for "label"/,
  ],
  ['no input', () => ({}), /batches\[1\] must be tensors for latent, timestep, label, got none/],
  [
    'one too many',
    (right) => ({ ...right, mask: tf.ones([1]) }),
    /must be inputs of the model: latent, timestep, label, got one named "mask"/,
  ],
  [
    'another shape',
    (right) => ({ ...right, latent: tf.ones([2, 8, 8, 3]) }),
    /batches\[1\].latent must be float32 of shape \[\?,8,8,4\], got float32 of shape \[2,8,8,3\]/,
  ],
  [
    'another rank',
    (right) => ({ ...right, timestep: tf.ones([2, 1]) }),
    /batches\[1\].timestep must be float32 of shape \[\?\], got float32 of shape \[2,1\]/,
  ],
  [
    'another dtype',
    (right) => ({ ...right, label: tf.ones([2]) }),
    /batches\[1\].label must be int32 of shape \[\?\], got float32 of shape \[2\]/,
  ],
  ['too few in order', ({ latent }) => [latent!], /must be 3 tensors, for .*, got 1/],
  ['one alone', ({ latent }) => latent!, /batches\[1\] must be 3 tensors, for .*, got 1/],
  ['a name of every object', (right) => ({ ...right, toString: tf.ones([1]) }), /"toString"/],
];

describe('A batch that the model does not take', () => {
  let model: tf.GraphModel;
  let small: tf.GraphModel;

  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit({ hiddenSize: 16 });
    ({ model: small } = rewriteGraph(model, { method: 'rtn', compare: false }));
  });
  after(() => {
    for (const one of [model, small]) one.dispose();
  });

  for (const [what, make, message] of WRONG) {
    it(`${what} is named, by calibrate and evaluateLinears, before a run`, async () => {
      const right = tinyBatch(1);
      const wrong = make(tinyBatch(2)) as tf.NamedTensorMap;
      const runs = [
        ['calibrate', () => calibrate(model, [right, wrong])],
        ['evaluateLinears', () => evaluateLinears(model, small, [right, wrong])],
      ] as const;
      for (const [op, run] of runs) {
        await expectNoLeakAsync(async () => {
          const error = await rejection(run());
          expect(error).to.be.instanceOf(InvalidArgumentError);
          expect(error.message)
            .to.match(new RegExp(`^${op}: `))
            .and.match(message);
        });
      }
      tf.dispose([right, wrong]);
    });
  }

  it('is disposed where batches are', async () => {
    await expectNoLeakAsync(async () => {
      const wrong = { ...tinyBatch(2), extra: tf.ones([1]) };
      await rejection(calibrate(model, [wrong], { disposeBatches: true }));
    });
  });

  it('and what it takes, by order or by any node in place of an input, is taken', async () => {
    const named = tinyBatch(1);
    const inOrder = model.inputs.map(({ name }) => named[name.replace(/:0$/, '')]!);
    const byOutput = Object.fromEntries(
      Object.entries(named).map(([name, tensor]) => [`${name}:0`, tensor]),
    );
    const [first, second, third] = [
      await calibrate(model, [named]),
      await calibrate(model, [inOrder]),
      await calibrate(model, [byOutput]),
    ];
    expect(second.serialize()).to.deep.equal(first.serialize());
    expect(third.serialize()).to.deep.equal(first.serialize());
    tf.dispose(named);
  });
});
