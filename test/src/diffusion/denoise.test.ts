import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  AbortedError,
  calibrateOnTrajectories,
  InvalidArgumentError,
  quantize,
} from '../../../src/index.js';
import {
  type DenoiseOptions,
  denoise,
  denoiseSteps,
  loadCheckpoint,
  noiseSchedule,
} from '../../../src/load.js';
import { checkpointFiles } from '../../../src/node.js';
import { publishedFolder } from '../../harness/models/published.js';
import { PUBLISHED, relative } from '../../harness/models/publishedCases.js';
import { rejection } from '../../harness/run/rejection.js';

const DDIM = { _class_name: 'DDIMScheduler', beta_schedule: 'linear', clip_sample: false };
const DDPM = { ...DDIM, _class_name: 'DDPMScheduler', variance_type: 'learned_range' };
const FLOW = { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3 };

const open = (name: string) =>
  loadCheckpoint(checkpointFiles(publishedFolder(name)), PUBLISHED[name]);

describe('denoise', () => {
  let dit: tf.GraphModel;
  let label: tf.Tensor1D;
  let none: tf.Tensor1D;
  let options: DenoiseOptions;

  before(async () => {
    await tf.setBackend('cpu');
    dit = await open('dit');
    label = tf.tensor1d([0, 3], 'int32');
    none = tf.tensor1d([5, 5], 'int32');
    options = { schedule: noiseSchedule(DDIM, { steps: 3 }), inputs: { label }, seed: 7 };
  });
  after(() => {
    dit.dispose();
    tf.dispose([label, none]);
  });

  async function drawn(more: Partial<DenoiseOptions> = {}, model = dit): Promise<number[]> {
    const { numTensors } = tf.memory();
    const latents = await denoise(model, { ...options, ...more });
    const values = [...(await latents.data())];
    latents.dispose();
    expect(values.every(Number.isFinite)).to.equal(true);
    expect(tf.memory().numTensors, 'tensors left').to.equal(numTensors);
    return values;
  }

  it('gives the same for a seed, and others for another', async () => {
    const once = await drawn();
    expect(await drawn()).to.deep.equal(once);
    expect(relative(await drawn({ seed: 8 }), once)).to.be.above(0.5);
  });

  it('goes by the prediction alone without a variance, and by both in DDPM', async () => {
    const schedule = noiseSchedule(DDPM, { steps: 3 });
    expect(relative(await drawn({ schedule }), await drawn())).to.be.above(0.01);
  });

  it('guides along the difference between what is asked for and none', async () => {
    const schedule = noiseSchedule(DDIM, { steps: 1 });
    const guided = (scale: number) =>
      drawn({ schedule, guidance: { scale, inputs: { label: none } } });
    const [zero, one, three] = [await guided(0), await guided(1), await guided(3)];
    expect(relative(one, await drawn({ schedule }))).to.be.below(1e-5);
    expect(relative(zero, await drawn({ schedule, inputs: { label: none } }))).to.be.below(1e-5);
    const along = one.map((value, i) => zero[i]! + 3 * (value - zero[i]!));
    expect(relative(three, along)).to.be.below(1e-5);
  });

  it('tells how far it is, and is cancelled between two runs', async () => {
    const seen: (number | null)[][] = [];
    const controller = new AbortController();
    const error = await rejection(
      denoise(dit, {
        ...options,
        signal: controller.signal,
        onProgress: ({ done, total }) => {
          seen.push([done, total]);
          if (done === 2) controller.abort();
        },
      }),
    );
    expect(error).to.be.instanceOf(AbortedError);
    expect(seen).to.deep.equal([
      [1, 3],
      [2, 3],
    ]);
  });

  it('yields what the model is run on, of Flux with its own timesteps', async () => {
    const flux = await open('flux');
    const inputs = {
      text: tf.zeros([1, 5, 20]),
      pooled: tf.zeros([1, 12]),
      guidance: tf.tensor1d([3.5]),
    };
    const schedule = noiseSchedule(FLOW, { steps: 4 });
    const times: number[] = [];
    for await (const batch of denoiseSteps(flux, { schedule, inputs, keep: [0, 2] })) {
      expect(batch.latent!.shape).to.deep.equal([1, 6, 8, 4]);
      times.push(batch.timestep!.dataSync()[0]!);
      tf.dispose(batch);
    }
    expect(times[0]).to.equal(1);
    expect(times).to.have.length(2);
    tf.dispose(inputs);
    flux.dispose();
  });

  it('calibrates in one call, and what is quantized by it draws nearly the same', async () => {
    const guidance = { scale: 2, inputs: { label: none } };
    const stats = await calibrateOnTrajectories(dit, { ...options, guidance, keep: [0, 2] });
    expect(stats.batches).to.equal(2);
    const { model: small } = await quantize(dit, stats, { preset: 'W8A8' });
    expect(relative(await drawn({}, small), await drawn())).to.be.below(0.1);
    small.dispose();
  });

  it('refuses what does not fit the model, in its own words', async () => {
    const text = tf.zeros([2, 3]);
    const three = tf.tensor1d([1, 2, 3], 'int32');
    const wrong: [Partial<DenoiseOptions>, RegExp][] = [
      [{ inputs: {} }, /inputs\.label must be a tensor of samples, got undefined/],
      [{ inputs: { label, text } }, /inputs must be made of label, got "text"/],
      [
        { inputs: { label: text } },
        /label must be int32 of shape \[\?\], got float32 of .*\[2,3\]/,
      ],
      [{ schedule: 3 as never }, /schedule must be what noiseSchedule gives, got 3/],
      [{ guidance: { scale: 2, inputs: { label: three } } }, /the shape \[2\] that it has/],
      [{ seed: -1 }, /seed must be an integer from 0/],
      [{ cfg: 3 } as never, /options must be made of schedule, inputs/],
    ];
    for (const [more, message] of wrong) {
      const error = await rejection(denoise(dit, { ...options, ...more }));
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(error.message).to.match(message);
    }
    tf.dispose([text, three]);
  });
});
