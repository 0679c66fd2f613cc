import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { calibrateOnTrajectories, collectTrajectory } from '../../src/diffusion/calibration.js';
import { sample } from '../../src/diffusion/sampler.js';
import {
  AbortedError,
  calibrate,
  evaluateLinears,
  HadaNormError,
  loadQuantized,
  type Progress,
  quantizedFiles,
  rewriteGraph,
  rewriteGraphAsync,
  type Stage,
  saveQuantized,
  type WatchOptions,
} from '../../src/index.js';
import '../harness/backends/backends.js';
import { tinyBatches, tinyDit } from '../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../harness/run/memory.js';
import { rejection } from '../harness/run/rejection.js';

/** A piece of long work, and what it calls its stage. */
interface Work {
  readonly stage: Stage;
  readonly run: (watch: WatchOptions) => Promise<unknown>;
}

describe('Long work', () => {
  let model: tf.GraphModel;
  let small: tf.GraphModel;
  let batches: tf.NamedTensorMap[];
  let files: Awaited<ReturnType<typeof quantizedFiles>>;

  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit({ depth: 1 });
    small = rewriteGraph(model, { method: 'hadamard', compare: false }).model;
    batches = tinyBatches(3);
    files = await quantizedFiles(small);
  });
  after(() => {
    model.dispose();
    small.dispose();
    tf.dispose(batches);
  });

  const draw = { labels: [0, 1], steps: 3 };
  const recipe = { samples: 2, steps: 3, keep: [0, 2] };
  const fetchFunc: typeof fetch = async (path) =>
    new Response(files.get(`${path}`.split('/').at(-1)!));
  const saved = { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
  const target = tf.io.withSaveHandler(async () => saved as tf.io.SaveResult);
  const options = { method: 'hadamard', compare: false } as const;
  const WORK: Readonly<Record<string, Work>> = {
    calibrate: { stage: 'calibrate', run: (watch) => calibrate(model, batches, watch) },
    rewriteGraphAsync: {
      stage: 'quantize',
      run: (watch) => rewriteGraphAsync(model, { ...options, ...watch }),
    },
    evaluateLinears: {
      stage: 'evaluate',
      run: (watch) => evaluateLinears(model, small, batches, watch),
    },
    saveQuantized: { stage: 'save', run: (watch) => saveQuantized(small, target, watch) },
    quantizedFiles: { stage: 'save', run: (watch) => quantizedFiles(small, watch) },
    loadQuantized: {
      stage: 'load',
      run: (watch) => loadQuantized('https://user.test/model.json', { fetchFunc, ...watch }),
    },
    sample: { stage: 'sample', run: (watch) => sample(model, { ...draw, ...watch }) },
    collectTrajectory: {
      stage: 'sample',
      run: (watch) => collectTrajectory(model, { ...draw, ...watch }),
    },
    calibrateOnTrajectories: {
      stage: 'calibrate',
      run: (watch) => calibrateOnTrajectories(model, { recipe, ...watch }),
    },
  };

  for (const [name, { stage, run }] of Object.entries(WORK)) {
    it(`${name} tells how far it is in the one shape, up to the end`, async () => {
      await expectNoLeakAsync(async () => {
        const told: Progress[] = [];
        release(await run({ onProgress: (progress) => told.push(progress) }));
        expect(told).not.to.deep.equal([]);
        for (const progress of told) {
          expect(progress).to.include.all.keys('stage', 'done', 'total', 'name');
          expect(progress.stage).to.equal(stage);
        }
        const done = told.map((progress) => progress.done);
        expect(done).to.deep.equal([...done].sort((a, b) => a - b));
        expect(done.at(-1)).to.equal(told.at(-1)!.total);
      });
    });

    it(`${name} is cancelled by an AbortedError with the signal's reason`, async () => {
      const reason = new RangeError('enough');
      await expectNoLeakAsync(async () => {
        const early = await rejection(run({ signal: AbortSignal.abort(reason) }));
        const abort = new AbortController();
        const onProgress = () => abort.abort(reason);
        const late = await rejection(run({ signal: abort.signal, onProgress }));
        for (const error of [early, late]) {
          expect(error).to.be.instanceOf(AbortedError).and.instanceOf(HadaNormError);
          expect([error.name, error.cause]).to.deep.equal(['AbortError', reason]);
          expect(error.message).to.match(
            new RegExp(`^${error instanceof AbortedError && error.op}: `),
          );
        }
      });
    });
  }

  it('loadQuantized ends a download that hangs', async () => {
    const abort = new AbortController();
    const hanging = (_: string, { signal }: RequestInit) =>
      new Promise<Response>((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason));
        setTimeout(() => abort.abort(), 5);
      });
    const given = { fetchFunc: hanging as typeof fetch, signal: abort.signal };
    const error = await rejection(loadQuantized('https://user.test/model.json', given));
    expect(error).to.be.instanceOf(AbortedError);
  });
});

/** What work made that holds tensors. */
function release(result: unknown): void {
  const made = result !== null && typeof result === 'object' ? result : {};
  const model = 'model' in made ? made.model : made;
  if (model instanceof tf.GraphModel) model.dispose();
  else tf.dispose(result as tf.TensorContainer);
}
