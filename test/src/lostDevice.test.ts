import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { calibrateOnTrajectories, collectTrajectory } from '../../src/diffusion/calibration.js';
import { sample, type VelocityModel } from '../../src/diffusion/sampler.js';
import {
  calibrate,
  describeGraph,
  evaluateLinears,
  fuseGraph,
  loadQuantized,
  quantizedFiles,
  rewriteGraph,
  rewriteGraphAsync,
  saveQuantized,
} from '../../src/index.js';
import {
  describeOnGpus,
  LOST_ERRORS,
  lose,
  loseAfter,
  removeLosable,
  upload,
  useLosable,
} from '../harness/devices/losable.js';
import { tinyBatch, tinyDit } from '../harness/models/tinyDit.js';
import { rejection } from '../harness/run/rejection.js';

/** The original, what was made of it, a batch, and the file of a model: of one device. */
interface Held {
  readonly model: tf.GraphModel;
  readonly small: tf.GraphModel;
  readonly batch: tf.NamedTensorMap;
  readonly file: tf.io.ModelArtifacts;
}

type Call = (held: Held) => unknown;

const RECIPE = { samples: 2, steps: 3, keep: [0, 2] };
const DRAW = { labels: [0, 1], steps: 3 };
const NOWHERE = tf.io.withSaveHandler(async (artifacts) => ({
  modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts),
}));

/** What reads or computes, by the name that its errors begin with. */
const CALLS: Readonly<Record<string, Call>> = {
  calibrate: ({ model, batch }) => calibrate(model, [batch]),
  evaluateLinears: ({ model, small, batch }) => evaluateLinears(model, small, [batch]),
  rewriteGraph: ({ model }) => rewriteGraph(model, { method: 'hadamard' }),
  rewriteGraphAsync: ({ model }) => rewriteGraphAsync(model, { method: 'hadamard' }),
  saveQuantized: ({ small }) => saveQuantized(small, NOWHERE),
  quantizedFiles: ({ small }) => quantizedFiles(small),
  loadQuantized: ({ file }) => loadQuantized(tf.io.fromMemory(file)),
  fuseGraph: ({ model }) => fuseGraph(model),
  describeGraph: ({ model }) => describeGraph(model),
  sample: ({ small }) => sample(small, DRAW),
  collectTrajectory: ({ small }) => collectTrajectory(small, DRAW),
  calibrateOnTrajectories: ({ model }) => calibrateOnTrajectories(model, { recipe: RECIPE }),
};

/** The same, losing the device on the way. */
const DURING: Readonly<Record<string, Call>> = {
  'calibrate while batches come': ({ model, batch }) => calibrate(model, losingBefore(batch)),
  'calibrate between kernels': ({ model, batch }) => {
    loseAfter(3);
    return calibrate(model, [batch]);
  },
  'evaluateLinears between kernels': ({ model, small, batch }) => {
    loseAfter(3);
    return evaluateLinears(model, small, [batch]);
  },
  'rewriteGraphAsync between linears': ({ model }) =>
    rewriteGraphAsync(model, {
      method: 'hadamard',
      onProgress: ({ done }) => {
        if (done === 2) lose();
      },
    }),
  'saveQuantized while it waits for values': ({ small }) => {
    for (const [weight] of Object.values(small.weights)) upload(weight!);
    const saving = saveQuantized(small, NOWHERE);
    lose();
    return saving;
  },
  'loadQuantized while files come': ({ file }) =>
    loadQuantized({
      load: async () => {
        lose();
        return file;
      },
    }),
  'sample between kernels': ({ small }) => {
    loseAfter(3);
    return sample(small, DRAW);
  },
  'sample in the last onStep': ({ model }) =>
    sample(quick(model), {
      ...DRAW,
      onStep: (_, done, total) => {
        if (done === total) lose();
      },
    }),
  'collectTrajectory between steps': ({ model }) =>
    collectTrajectory(quick(model), { ...DRAW, onProgress: () => lose() }),
  'collectTrajectory in the last onProgress': ({ model }) =>
    collectTrajectory(quick(model), {
      ...DRAW,
      onProgress: ({ done, total }) => {
        if (done === total) lose();
      },
    }),
};

/** A model of the same inputs that needs next to no programs. */
function quick({ inputs, metadata = {} }: tf.GraphModel): VelocityModel {
  return { inputs, metadata, predict: ({ latent }) => tf.neg(latent!) };
}

async function* losingBefore(batch: tf.NamedTensorMap) {
  lose();
  yield batch;
}

describeOnGpus('A device that is lost', (gpu) => {
  const held: Held[] = [];
  after(() => {
    for (const { model, small, batch } of held) {
      model.dispose();
      small.dispose();
      tf.dispose(batch);
    }
    removeLosable(gpu);
  });

  /** On a new device. */
  async function hold(): Promise<Held> {
    await useLosable(gpu);
    const model = await tinyDit({ hiddenSize: 16, depth: 1 });
    const { model: small } = rewriteGraph(model, { method: 'hadamard', compare: false });
    let file: tf.io.ModelArtifacts = {};
    const keep = async (artifacts: tf.io.ModelArtifacts) => {
      file = artifacts;
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    };
    await saveQuantized(small, tf.io.withSaveHandler(keep));
    held.push({ model, small, batch: tinyBatch(1), file });
    return held.at(-1)!;
  }

  /** The call is refused by the typed error, in the name of who was called. */
  async function expectLost(name: string, call: () => unknown): Promise<void> {
    const error = await rejection((async () => call())());
    expect(error, name).to.be.instanceOf(LOST_ERRORS[gpu]);
    expect(error.message).to.match(new RegExp(`^${name}: .* is lost, and every tensor`));
  }

  it('everything that reads or computes throws a typed error after it', async () => {
    const all = await hold();
    const before = tf.memory().numTensors;
    lose();
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const [name, call] of Object.entries(CALLS)) await expectLost(name, () => call(all));
    expect(tf.memory().numTensors).to.equal(before);
    await tf.setBackend('cpu');
    const { calibrate: read, saveQuantized: save, sample: draw } = CALLS;
    for (const [name, call] of Object.entries({
      calibrate: read,
      saveQuantized: save,
      sample: draw,
    })) {
      await expectLost(name, () => call!(all));
    }
  });

  for (const [when, call] of Object.entries(DURING)) {
    it(`${when}: a typed error, and no wrong numbers`, async () => {
      const all = await hold();
      await expectLost(when.split(' ')[0]!, () => call(all));
    });
  }

  it('a fused model throws, and so does who waits for what it gave', async () => {
    const { model, small, batch } = await hold();
    const fused = fuseGraph(model);
    loseAfter(3);
    const read = async (one: tf.GraphModel) => (one.predict(batch) as tf.Tensor).data();
    // the first loses the device between two kernels, the others come after it
    for (const one of [fused, fused, small]) {
      expect(await rejection(read(one))).to.be.instanceOf(LOST_ERRORS[gpu]);
    }
    fused.dispose();
  });

  it('a signal cancels as ever', async () => {
    const { model } = await hold();
    const cancel = new AbortController();
    const onProgress = () => cancel.abort();
    const options = { ...DRAW, signal: cancel.signal, onProgress };
    expect((await rejection(sample(quick(model), options))).name).to.equal('AbortError');
  });
});
