import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit, type DitConfig } from '../../../models/builder/dit.js';
import { seededDitWeights } from '../../../models/seeded.js';
import type {
  DrawOptions,
  SampleProgress,
  TrajectoryOptions,
} from '../../../src/diffusion/options.js';
import {
  type DitInputs,
  type Solver,
  sample,
  seededNormal,
  trajectory,
  type VelocityModel,
} from '../../../src/diffusion/sampler.js';
import { InvalidArgumentError } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { expectWithin } from '../../harness/numbers/compare.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

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

  const draw = async (options: Partial<DrawOptions>): Promise<Float32Array> =>
    expectNoLeakAsync(async () => {
      const x = await sample(model, { labels: LABELS, steps: 3, ...options });
      expect(x.shape).to.deep.equal([options.labels?.length ?? 2, 4, 4, 3]);
      const values = (await x.data()) as Float32Array;
      x.dispose();
      return values;
    });

  const follow = async (options: Partial<TrajectoryOptions>): Promise<DitInputs[]> => {
    const states: DitInputs[] = [];
    for await (const state of trajectory(model, { labels: LABELS, steps: 3, ...options })) {
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

  it('Heun takes the mean of the velocities at both ends; Euler in the last step', async () => {
    const expected = await expectNoLeakAsync(async () => {
      const states = await follow({ solver: 'heun', steps: 2 });
      const values = tf.tidy(() => {
        const [first, end, last] = states.map((state) => model.predict(state) as tf.Tensor4D);
        const middle = tf.add(states[0]!.latent, tf.mul(tf.add(first!, end!), 0.25));
        return [
          [states[1]!.latent, tf.add(states[0]!.latent, tf.mul(first!, 0.5))],
          [states[2]!.latent, middle],
          [tf.add(middle, tf.mul(last!, 0.5))],
        ].map((tensors) => tensors.map((tensor) => tensor.dataSync()));
      });
      expect(states.map(({ timestep }) => timestep.arraySync()[0])).to.deep.equal([0, 0.5, 0.5]);
      tf.dispose(states);
      return values;
    });
    expectWithin(expected[0]![0]!, expected[0]![1]!, 1e-5);
    expectWithin(expected[1]![0]!, expected[1]![1]!, 1e-5);
    expectWithin(await draw({ solver: 'heun', steps: 2 }), expected[2]![0]!, 1e-5);
  });

  it('one step of Heun is one of Euler', async () => {
    expect(await draw({ solver: 'heun', steps: 1 })).to.deep.equal(await draw({ steps: 1 }));
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
      const onProgress = (progress: SampleProgress) => total.push(progress.total);
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
    const onProgress = ({ done: step }: SampleProgress) => {
      done.push(step);
      if (step === 2) controller.abort(new Error('enough'));
    };
    const options = { labels: LABELS, steps: 5, signal: controller.signal, onProgress };
    await expectNoLeakAsync(async () => {
      expect(await failure(sample(model, options))).to.equal('sample: cancelled.');
      expect(done).to.deep.equal([1, 2]);
      expect(await failure(trajectory(model, options).next())).to.equal('trajectory: cancelled.');
    });
  });

  it('Heun stops between the two runs of a step too, and tells of each step once', async () => {
    const controller = new AbortController();
    let runs = 0;
    const counted: VelocityModel = {
      inputs: model.inputs,
      predict: (inputs) => {
        if (++runs === 4) controller.abort(new Error('enough'));
        return model.predict(inputs);
      },
    };
    const done: number[] = [];
    const onProgress = ({ done: step }: SampleProgress) => done.push(step);
    const options = { labels: LABELS, steps: 4, solver: 'heun', onProgress } as const;
    await expectNoLeakAsync(async () => {
      const { signal } = controller;
      expect(await failure(sample(counted, { ...options, signal }))).to.equal('sample: cancelled.');
      expect([runs, ...done]).to.deep.equal([4, 1, 2]);
      runs = -1;
      (await sample(counted, options)).dispose();
      expect([runs, ...done]).to.deep.equal([6, 1, 2, 1, 2, 3, 4]);
    });
  });

  it('lends the samples after each step, the last as returned, and takes them back', async () => {
    for (const solver of ['euler', 'heun'] as const) {
      await expectNoLeakAsync(async () => {
        const seen: Float32Array[] = [];
        const told: string[] = [];
        const onStep = async (samples: tf.Tensor4D, done: number, total: number) => {
          seen.push((await samples.data()) as Float32Array);
          told.push(`step ${done} of ${total}`);
        };
        const onProgress = ({ done }: SampleProgress) => told.push(`progress ${done}`);
        const end = await draw({ solver, onProgress, onStep });
        expect(told).to.deep.equal(
          [1, 2, 3].flatMap((step) => [`step ${step} of 3`, `progress ${step}`]),
        );
        expect(seen[2]).to.deep.equal(end);
        // what follow yields at a step's beginning is the end of the step before
        const states = await follow({ solver });
        const begins = states.filter((_, i) => solver === 'euler' || i % 2 === 0);
        for (const i of [0, 1]) {
          expect(seen[i]).to.deep.equal(begins[i + 1]!.latent.dataSync());
        }
        tf.dispose(states);
      });
    }
  });

  it('a step that is refused ends the drawing, and leaves nothing behind', async () => {
    await expectNoLeakAsync(async () => {
      const onStep = () => Promise.reject(new Error('no more'));
      expect(await failure(sample(model, { labels: LABELS, onStep }))).to.equal('no more');
    });
  });

  it('keep chooses steps of Heun with all their runs', async () => {
    await expectNoLeakAsync(async () => {
      const all = await follow({ solver: 'heun', steps: 4 });
      const some = await follow({ solver: 'heun', steps: 4, keep: [3, 1] });
      expect(some.length).to.equal(3);
      some.forEach(({ latent }, i) => {
        expect(latent.arraySync()).to.deep.equal(all[[2, 3, 6][i]!]!.latent.arraySync());
      });
      const [only] = await follow({ solver: 'heun', steps: 20, keep: [19] });
      expect(only!.timestep.arraySync()[0]).to.equal(Math.fround(19 / 20));
      tf.dispose([all, some, only]);
    });
  });

  it('a trajectory that is left early leaves nothing behind', async () => {
    await expectNoLeakAsync(async () => {
      for (const solver of ['euler', 'heun'] as const) {
        for await (const state of trajectory(model, { labels: LABELS, solver })) {
          tf.dispose(state);
          break;
        }
        let seen = 0;
        for await (const state of trajectory(model, { labels: LABELS, solver })) {
          tf.dispose(state);
          if (++seen === 2) break;
        }
      }
    });
  });

  it('a trajectory that is never begun holds nothing', async () => {
    await expectNoLeakAsync(async () => {
      trajectory(model, { labels: LABELS });
    });
  });
});

describe('Solvers of the sampler', () => {
  /** dx/dt = t − x has the solution (x₀ + 1) e⁻ᵗ + t − 1. */
  const DECAY: VelocityModel = {
    inputs: [{ name: 'latent', shape: [-1, 2, 2, 1] }],
    predict: ({ latent, timestep }) => tf.sub(tf.reshape(timestep!, [-1, 1, 1, 1]), latent!),
  };
  const errorOf = async (solver: Solver, steps: number): Promise<number> => {
    const x = await sample(DECAY, { labels: [0, 0], seed: 3, solver, steps });
    const error = tf.tidy(() => {
      const exact = tf.mul(tf.add(seededNormal([2, 2, 2, 1], 3), 1), Math.exp(-1));
      return tf.max(tf.abs(tf.sub(x, exact))).dataSync()[0]!;
    });
    x.dispose();
    return error;
  };
  before(async () => {
    await tf.setBackend('cpu');
  });

  for (const [solver, factor] of [
    ['euler', 2],
    ['heun', 4],
  ] as const) {
    it(`half the step is ${factor} times less error with ${solver}`, async () => {
      const errors: number[] = [];
      for (const steps of [16, 32, 64]) errors.push(await errorOf(solver, steps));
      for (const i of [0, 1]) {
        expect(errors[i]! / errors[i + 1]!).to.be.within(0.9 * factor, 1.1 * factor);
      }
    });
  }

  it('guidance goes beyond the label by cfg times what it differs from none', async () => {
    const straight: VelocityModel = {
      inputs: DECAY.inputs,
      predict: ({ latent, label }) =>
        tf.mul(tf.onesLike(latent!), tf.reshape(tf.cast(label!, 'float32'), [-1, 1, 1, 1])),
    };
    for (const solver of ['euler', 'heun'] as const) {
      const options = { labels: [5, 8], cfg: 2, noneLabel: 10, solver, steps: 4 };
      const x = await sample(straight, options);
      const moved = tf.tidy(() => tf.sub(x, seededNormal(x.shape, 0)).dataSync());
      expectWithin(moved, Float32Array.of(0, 0, 0, 0, 6, 6, 6, 6), 1e-6);
      x.dispose();
    }
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
    ['a solver that there is none of', { solver: 'rk4' }, 'solver must be euler or heun, got rk4'],
    ['a seed that is none', { seed: -1 }, 'seed must be an integer in [0, 2^32), got -1'],
    ['endless guidance', { cfg: Number.POSITIVE_INFINITY }, 'cfg must be a finite number'],
    ['a step beyond the last', { steps: 3, keep: [3] }, 'keep must be one or more integers'],
    ['no step to keep', { keep: [] }, 'keep must be one or more integers in [0, 19], got []'],
    ['a label none that is none', { noneLabel: 1.5 }, 'noneLabel must be an integer ≥ 0, got 1.5'],
  ];
  for (const [what, part, message] of wrong) {
    it(`${what}: a typed error at once`, async () => {
      const options = { labels: [1], ...part } as TrajectoryOptions;
      expect(() => trajectory(model, options)).to.throw(InvalidArgumentError, message);
      expect(await failure(sample(model, options))).to.include(message);
    });
  }

  it('a model without metadata must be told the label none for guidance', async () => {
    const { inputs, predict } = model;
    const bare = { inputs, predict };
    const message = 'noneLabel must be given for guidance';
    expect(() => trajectory(bare, { labels: [9], cfg: 2 })).to.throw(message);
    expect(() => trajectory(bare, { labels: [9] })).not.to.throw();
    expect(() => trajectory(bare, { labels: [9], cfg: 2, noneLabel: 10 })).not.to.throw();
  });

  it('a model of other inputs gets a typed error', () => {
    const other = { ...model, inputs: [{ name: 'x', shape: [-1, 3] }] };
    const follow = () => trajectory(other, { labels: [1] });
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
