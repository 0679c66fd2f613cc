import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { GraphOpNode } from '../../../ops/common/graphOp.js';
import { listen, tapGraphOp } from '../../../src/calibrate/tap.js';
import {
  type CalibrateOptions,
  CalibrationAbortedError,
  type CalibrationStats,
  calibrate,
  HadaNormError,
  InvalidArgumentError,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { rowsThroughMlp } from '../../harness/graphs/oddities.js';
import { loaded } from '../../harness/graphs/run.js';
import { tinyBatch, tinyBatches, tinyDit } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

const OPTIONS: CalibrateOptions = {
  means: 6,
  samples: 3,
  tokensPerSample: 2,
  timestep: 'timestep',
  disposeBatches: true,
};

describeOnBackends('A calibration', () => {
  let model: tf.GraphModel;

  beforeEach(async () => {
    model = await tinyDit({ hiddenSize: 16 });
  });
  afterEach(() => model.dispose());

  /** Statistics of the first `count` of the batches, as an abort leaves them. */
  async function abortedAfter(count: number, total: number): Promise<CalibrationStats> {
    const cancel = new AbortController();
    const batches = tinyBatches(total);
    const onProgress = ({ batches: done }: { batches: number }) => {
      if (done === count) cancel.abort();
    };
    const options = { ...OPTIONS, signal: cancel.signal, onProgress };
    const error = await rejection(calibrate(model, batches, options));
    tf.dispose(batches);
    expect(error).to.be.instanceOf(CalibrationAbortedError).and.instanceOf(HadaNormError);
    expect(error.name).to.equal('AbortError');
    expect(error.message).to.include(`cancelled after ${count} batches`).and.include('resume');
    return (error as CalibrationAbortedError).stats;
  }

  it('goes on from where it was cancelled, to the very statistics', async () => {
    await expectNoLeakAsync(async () => {
      const whole = await calibrate(model, tinyBatches(4), OPTIONS);
      for (const count of [1, 3, 4]) {
        const resume = await abortedAfter(count, 4);
        const before = resume.serialize();
        const done: number[] = [];
        const stats = await calibrate(model, tinyBatches(4), {
          ...OPTIONS,
          resume,
          onProgress: ({ batches }) => done.push(batches),
        });
        expect(stats.serialize(), `after ${count}`).to.deep.equal(whole.serialize());
        expect(done).to.deep.equal([1, 2, 3, 4]);
        expect(resume.serialize(), 'what was given').to.deep.equal(before);
      }
    });
  });

  it('that is cancelled before it begins draws nothing', async () => {
    let drawn = 0;
    function* batches() {
      drawn++;
      yield* tinyBatches(1);
    }
    const options = { ...OPTIONS, signal: AbortSignal.abort() };
    const error = await rejection(calibrate(model, batches(), options));
    expect(error).to.be.instanceOf(CalibrationAbortedError);
    expect((error as CalibrationAbortedError).stats.batches).to.equal(0);
    expect(drawn).to.equal(0);
  });

  it('that is cancelled lets a generator clean up', async () => {
    const cancel = new AbortController();
    let cleaned = false;
    async function* batches() {
      try {
        yield tinyBatch(1);
        cancel.abort();
        yield tinyBatch(2);
        yield tinyBatch(3);
      } finally {
        cleaned = true;
      }
    }
    await rejection(calibrate(model, batches(), { ...OPTIONS, signal: cancel.signal }));
    expect(cleaned).to.equal(true);
  });

  it('does not go on from statistics of another model or of other options', async () => {
    const resume = await calibrate(model, tinyBatches(1), OPTIONS);
    const other = await tinyDit({ hiddenSize: 32 });
    const cases: Promise<unknown>[] = [
      calibrate(other, [], { ...OPTIONS, resume }),
      calibrate(model, [], { ...OPTIONS, resume, means: 5 }),
      calibrate(model, [], { ...OPTIONS, resume, hessian: false }),
    ];
    for (const wrong of cases) {
      const error = await rejection(wrong);
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(error.message).to.include('resume must be statistics of this model');
    }
    other.dispose();
  });

  it('leaves batches alone unless it is told to dispose them', async () => {
    const batches = tinyBatches(2);
    await expectNoLeakAsync(async () => {
      await calibrate(model, batches, { ...OPTIONS, disposeBatches: false });
    });
    const { numTensors } = tf.memory();
    await calibrate(model, batches, OPTIONS);
    expect(numTensors - tf.memory().numTensors).to.equal(6);
  });

  it('leaves an input alone that the model reads or gives as it is', async () => {
    const graph = rowsThroughMlp();
    const batch = graph.inputs(2, 5, 1);
    const { outputs, inputs } = graph.artifacts.signature as Record<'outputs' | 'inputs', object>;
    const signature = { inputs, outputs: { ...outputs, same: { name: Object.keys(batch)[0] } } };
    const own = await loaded({ ...graph.artifacts, signature });
    expect(own.outputs.length).to.equal(2);
    await expectNoLeakAsync(() => calibrate(own, [batch, batch], { means: 2 }).then(() => {}));
    expect(Object.values(batch).some(({ isDisposed }) => isDisposed)).to.equal(false);
    tf.dispose(batch);
    own.dispose();
  });
});

/** One label too many dimensions: the model fails half way. */
function wrongBatch(): tf.NamedTensorMap {
  const batch = tinyBatch(1);
  batch.label!.dispose();
  return { ...batch, label: tf.tensor2d([[0, 1]], [1, 2], 'int32') };
}

describeOnBackends('A calibration that fails', () => {
  let model: tf.GraphModel;
  beforeEach(async () => {
    model = await tinyDit({ hiddenSize: 16 });
  });
  afterEach(() => model.dispose());

  it('because of the iterable leaves no tensor behind', async () => {
    function* batches() {
      yield* tinyBatches(1);
      throw new RangeError('no more data');
    }
    await expectNoLeakAsync(async () => {
      const error = await rejection(calibrate(model, batches(), OPTIONS));
      expect(error).to.be.instanceOf(RangeError);
    });
  });

  it('in the middle of a run leaves no tensor behind', async () => {
    await expectNoLeakAsync(async () => {
      const batches = [tinyBatch(2), wrongBatch()];
      const error = await rejection(calibrate(model, batches, OPTIONS));
      expect(error.message).to.not.equal('');
      tf.dispose(batches);
    });
  });

  it('does not listen any more', async () => {
    const { session, stop } = listen(() => {
      throw new Error('heard');
    });
    // what a tap of a session shows: no tokens, which a calibration would not take
    const tap = (shown: number) =>
      tf.tidy(() => {
        const x = tf.scalar(1);
        const attrs = { session: shown, site: 0, hasLike: false };
        return (tapGraphOp({ inputs: [x], attrs } as unknown as GraphOpNode) as tf.Tensor).size;
      });
    expect(() => tap(session)).to.throw('heard');
    stop();
    const batches = [tinyBatch(1), wrongBatch()];
    await rejection(calibrate(model, batches, OPTIONS));
    tf.dispose(batches);
    expect([tap(session), tap(session + 1)]).to.deep.equal([1, 1]);
    const next = listen(() => {});
    next.stop();
    expect(next.session, 'the calibration had the session between').to.equal(session + 2);
  });

  it('since the model is disposed says so, and leaves nothing behind', async () => {
    const gone = await tinyDit({ hiddenSize: 16 });
    gone.dispose();
    await expectNoLeakAsync(async () => {
      const error = await rejection(calibrate(gone, [], OPTIONS));
      expect(error).to.be.instanceOf(HadaNormError);
      expect(error.message).to.include('disposed');
    });
  });
});
