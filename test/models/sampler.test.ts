import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit, type DitConfig } from '../../models/dit.js';
import {
  type DitInputs,
  eulerTrajectory,
  type SampleOptions,
  sample,
  seededNormal,
  type TrajectoryOptions,
} from '../../models/sampler.js';
import { seededDitWeights } from '../../models/seeded.js';
import { InvalidArgumentError } from '../../src/index.js';
import { expectWithin } from '../harness/compare.js';
import { expectNoLeakAsync } from '../harness/memory.js';
import { describeOnBackends } from '../harness/onBackends.js';
import { normal } from '../harness/random.js';

const TINY: DitConfig = {
  inputSize: 4,
  patchSize: 2,
  channels: 3,
  hiddenSize: 8,
  depth: 1,
  numHeads: 2,
  mlpRatio: 2,
  numClasses: 4,
};
const ARTIFACTS = buildDit(TINY, seededDitWeights(TINY, 1));
const LABELS = [0, 3];

describeOnBackends('Sampler', () => {
  let model: tf.GraphModel;
  before(async () => {
    model = await tf.loadGraphModel(tf.io.fromMemory(ARTIFACTS));
  });
  after(() => model.dispose());

  const draw = async (options: Partial<SampleOptions>): Promise<Float32Array> =>
    expectNoLeakAsync(async () => {
      const x = await sample(model, { labels: LABELS, steps: 3, ...options });
      expect(x.shape).to.deep.equal([options.labels?.length ?? 2, 4, 4, 3]);
      const values = (await x.data()) as Float32Array;
      x.dispose();
      return values;
    });

  const follow = async (options: Partial<TrajectoryOptions>): Promise<DitInputs[]> => {
    const states: DitInputs[] = [];
    for await (const state of eulerTrajectory(model, { labels: LABELS, steps: 3, ...options })) {
      states.push(state);
    }
    return states;
  };

  it('noise is the same to the bit on every backend', () => {
    tf.tidy(() => {
      const noise = seededNormal([5, 7], 3);
      expect(noise.shape).to.deep.equal([5, 7]);
      expect(noise.dataSync()).to.deep.equal(normal(35, 3));
    });
  });

  it('the same seed draws the same samples, another seed others', async () => {
    const first = await draw({ seed: 5 });
    expect(await draw({ seed: 5 })).to.deep.equal(first);
    expect(await draw({ seed: 6 })).not.to.deep.equal(first);
  });

  it('a sample does not depend on those drawn beside it', async () => {
    const alone = await draw({ labels: [0] });
    expectWithin((await draw({})).subarray(0, alone.length), alone, 1e-5);
  });

  it('x is the noise plus the mean of the velocities along the way', async () => {
    const expected = await expectNoLeakAsync(async () => {
      const states = await follow({});
      const values = tf.tidy(() => {
        const velocities = states.map((state) => model.predict(state) as tf.Tensor);
        return tf.add(states[0]!.latent, tf.div(tf.addN(velocities), 3)).dataSync();
      });
      tf.dispose(states);
      return values;
    });
    expectWithin(await draw({}), expected, 1e-5);
  });

  it('a trajectory starts at the noise, and tells times and labels', async () => {
    await expectNoLeakAsync(async () => {
      const states = await follow({ seed: 2 });
      expect(states.map(({ timestep }) => timestep.arraySync())).to.deep.equal(
        [0, 1 / 3, 2 / 3].map((t) => [Math.fround(t), Math.fround(t)]),
      );
      for (const { label } of states) {
        expect([label.dtype, label.arraySync()]).to.deep.equal(['int32', LABELS]);
      }
      expect(states[0]!.latent.dataSync()).to.deep.equal(normal(2 * 4 * 4 * 3, 2));
      tf.dispose(states);
    });
  });

  it('keep chooses the steps that are yielded', async () => {
    await expectNoLeakAsync(async () => {
      const all = await follow({ steps: 4 });
      const total: number[] = [];
      const onProgress = (_: number, steps: number) => total.push(steps);
      const some = await follow({ steps: 4, keep: [2, 0], onProgress });
      expect(some.length).to.equal(2);
      expect(some[1]!.latent.arraySync()).to.deep.equal(all[2]!.latent.arraySync());
      expect(total, 'steps after the last are not taken').to.deep.equal([3, 3, 3]);
      tf.dispose([all, some]);
    });
  });

  it('guidance by 0 draws without a label, and by 1 as without guidance', async () => {
    const none = await draw({ labels: [4, 4] });
    expectWithin(await draw({ cfg: 0 }), none, 1e-5);
    expect(await draw({ cfg: 1 })).to.deep.equal(await draw({}));
    expect(await draw({ cfg: 2 })).not.to.deep.equal(await draw({}));
  });

  it('with guidance a trajectory yields what the model sees: labels, then none', async () => {
    await expectNoLeakAsync(async () => {
      const [state] = await follow({ cfg: 2, keep: [0] });
      expect(state!.label.arraySync()).to.deep.equal([0, 3, 4, 4]);
      expect(state!.latent.shape).to.deep.equal([4, 4, 4, 3]);
      expect(state!.timestep.shape).to.deep.equal([4]);
      tf.dispose(state);
    });
  });

  it('tells its progress, and stops before the next step when aborted', async () => {
    const controller = new AbortController();
    const done: number[] = [];
    const onProgress = (step: number) => {
      done.push(step);
      if (step === 2) controller.abort(new Error('enough'));
    };
    const options = { labels: LABELS, steps: 5, signal: controller.signal, onProgress };
    await expectNoLeakAsync(async () => {
      expect(await failure(sample(model, options))).to.equal('enough');
      expect(done).to.deep.equal([1, 2]);
      expect(await failure(eulerTrajectory(model, options).next())).to.equal('enough');
    });
  });

  it('a trajectory that is left early leaves nothing behind', async () => {
    await expectNoLeakAsync(async () => {
      for await (const state of eulerTrajectory(model, { labels: LABELS })) {
        tf.dispose(state);
        break;
      }
    });
  });

  it('a trajectory that is never begun holds nothing', async () => {
    await expectNoLeakAsync(async () => {
      eulerTrajectory(model, { labels: LABELS });
    });
  });
});

describe('Options of the sampler', () => {
  const model = {
    inputs: [{ name: 'latent', shape: [-1, 4, 4, 3] }],
    metadata: { dit: TINY },
    predict: () => expect.fail('the model ran'),
  };
  const wrong: [string, object, string][] = [
    ['no labels', { labels: [] }, 'labels must be one or more integers in [0, 4], got []'],
    ['a label too large', { labels: [5] }, 'labels must be one or more integers in [0, 4]'],
    ['labels that are no list', { labels: 3 }, 'labels must be'],
    ['no steps', { steps: 0 }, 'steps must be an integer ≥ 1, got 0'],
    ['a seed that is none', { seed: -1 }, 'seed must be an integer in [0, 2^32), got -1'],
    ['endless guidance', { cfg: Number.POSITIVE_INFINITY }, 'cfg must be a finite number'],
    ['a step beyond the last', { steps: 3, keep: [3] }, 'keep must be one or more integers'],
    ['no step to keep', { keep: [] }, 'keep must be one or more integers in [0, 19], got []'],
    ['a label none that is none', { noneLabel: 1.5 }, 'noneLabel must be an integer ≥ 0, got 1.5'],
  ];
  for (const [what, part, message] of wrong) {
    it(`${what}: a typed error at once`, async () => {
      const options = { labels: [1], ...part } as TrajectoryOptions;
      expect(() => eulerTrajectory(model, options)).to.throw(InvalidArgumentError, message);
      expect(await failure(sample(model, options))).to.include(message);
    });
  }

  it('a model without metadata must be told the label none for guidance', async () => {
    const { inputs, predict } = model;
    const bare = { inputs, predict };
    const message = 'noneLabel must be given for guidance';
    expect(() => eulerTrajectory(bare, { labels: [9], cfg: 2 })).to.throw(message);
    expect(() => eulerTrajectory(bare, { labels: [9] })).not.to.throw();
    expect(() => eulerTrajectory(bare, { labels: [9], cfg: 2, noneLabel: 10 })).not.to.throw();
  });

  it('a model of other inputs gets a typed error', () => {
    const other = { ...model, inputs: [{ name: 'x', shape: [-1, 3] }] };
    const follow = () => eulerTrajectory(other, { labels: [1] });
    expect(follow).to.throw(InvalidArgumentError, 'an input latent of four axes');
  });
});

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'no failure';
}
