import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  CALIBRATION,
  calibrateOnTrajectories,
  collectTrajectory,
  type TrajectoryCalibrationOptions,
} from '../../../src/diffusion/calibration.js';
import { spreadLabels } from '../../../src/diffusion/labels.js';
import { trajectory } from '../../../src/diffusion/sampler.js';
import { medianStep } from '../../../src/diffusion/stepTime.js';
import {
  AbortedError,
  calibrate,
  fuseGraph,
  InvalidArgumentError,
  type Progress,
} from '../../../src/index.js';
import '../../harness/backends/backends.js';
import { tinyArtifacts, tinyDit } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

const RECIPE = { samples: 4, steps: 3, keep: [0, 2] };

describe('Calibration on trajectories', () => {
  let model: tf.GraphModel;
  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit();
  });
  after(() => model.dispose());

  const calibrated = async (options: TrajectoryCalibrationOptions) =>
    (await calibrateOnTrajectories(model, { recipe: RECIPE, ...options })).serialize();

  it('is calibrate on the steps that the fused model takes from noise', async () => {
    const fused = fuseGraph(model);
    const options = { labels: [0, 0, 1, 2], steps: 3, keep: [0, 2], seed: 5, cfg: 2 };
    const stats = await calibrate(model, trajectory(fused, options), {
      timestep: 'timestep',
      disposeBatches: true,
    });
    fused.dispose();
    expect(await calibrated({ seed: 5, cfg: 2 })).to.deep.equal(stats.serialize());
  });

  it('follows the model that it is told to, and the labels', async () => {
    const labels = [2, 1];
    const stats = await calibrate(model, trajectory(model, { labels, steps: 3, keep: [0, 2] }), {
      timestep: 'timestep',
      disposeBatches: true,
    });
    expect(await calibrated({ along: model, labels })).to.deep.equal(stats.serialize());
  });

  it('without a recipe it is that of the project', async () => {
    const own = await calibrateOnTrajectories(model, { recipe: CALIBRATION, seed: 3 });
    expect((await calibrateOnTrajectories(model, { seed: 3 })).serialize()).to.deep.equal(
      own.serialize(),
    );
  });

  it('tells of every step, and leaves nothing behind', async () => {
    const told: Progress[] = [];
    await expectNoLeakAsync(() => calibrated({ onProgress: (progress) => told.push(progress) }));
    expect(told).to.deep.equal(
      [1, 2, 3].map((done) => ({ stage: 'calibrate', done, total: 3, name: '' })),
    );
  });

  it('stops when it is aborted, and tells the reason, and leaves nothing behind', async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    await expectNoLeakAsync(async () => {
      const running = calibrated({ signal: abort.signal, onProgress: () => abort.abort(reason) });
      const error = await rejection(running);
      expect(error).to.be.instanceOf(AbortedError);
      expect(error.cause).to.equal(reason);
    });
  });

  it('a model that does not say its classes needs labels', async () => {
    const { userDefinedMetadata: _, ...bare } = tinyArtifacts();
    const other = await tf.loadGraphModel(tf.io.fromMemory(bare));
    const error = await rejection(calibrateOnTrajectories(other, { recipe: RECIPE }));
    expect(error).to.be.instanceOf(InvalidArgumentError);
    expect(error.message).to.include('labels must be given for a model that does not say how many');
    await calibrateOnTrajectories(other, { recipe: RECIPE, labels: [0, 1] });
    other.dispose();
  });

  it('the steps of a trajectory are collected, or none is left behind', async () => {
    const abort = new AbortController();
    const options = { labels: [0, 1], steps: 3, keep: [0, 2], signal: abort.signal };
    const batches = await collectTrajectory(model, options);
    expect(batches.map(({ timestep }) => [...timestep.dataSync()])).to.deep.equal([
      [0, 0],
      [Math.fround(2 / 3), Math.fround(2 / 3)],
    ]);
    tf.dispose(batches);
    await expectNoLeakAsync(async () => {
      const stopping = collectTrajectory(model, { ...options, onProgress: () => abort.abort() });
      await rejection(stopping);
    });
  });

  it('labels are spread over the classes', () => {
    expect(spreadLabels(8, 16)).to.deep.equal([0, 2, 4, 6, 8, 10, 12, 14]);
    expect(spreadLabels(8, 10)).to.deep.equal([0, 1, 2, 3, 5, 6, 7, 8]);
    expect(spreadLabels(4, 2)).to.deep.equal([0, 0, 1, 1]);
  });

  it('the first step warms up, unless it is the only one', () => {
    expect(medianStep([9])).to.equal(9);
    expect(medianStep([9, 1])).to.equal(1);
    expect(medianStep([9, 3, 1, 2])).to.equal(2);
    expect(medianStep([9, 4, 3, 1, 2])).to.equal(3);
  });
});
