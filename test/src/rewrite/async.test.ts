import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { graphOfModel } from '../../../src/graph/model.js';
import {
  type CalibrationStats,
  describeGraph,
  HadaNormError,
  InvalidArgumentError,
  NothingToQuantizeError,
  RewriteAbortedError,
  type RewriteOptions,
  type RewriteProgress,
  rewriteGraph,
  rewriteGraphAsync,
  saveQuantized,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import {
  tinyBatch,
  tinyDit,
  tinyStats,
  velocityOf,
  weightDataOf,
} from '../../harness/models/tinyDit.js';
import { expectNoLeak, expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';
import { savedBy } from '../../harness/run/savedBy.js';

/** Everything that is in a model's files. */
async function bytesOf(model: tf.GraphModel) {
  const { weightData, ...rest } = await savedBy((handler) => saveQuantized(model, handler));
  return { rest, data: weightDataOf({ weightData: weightData! }) };
}

describeOnBackends('rewriteGraph', (backend) => {
  let model: tf.GraphModel;
  let stats: CalibrationStats;
  let expected: Float32Array;

  before(async () => {
    model = await tinyDit();
    stats = await tinyStats(model);
    expected = velocityOf(model, tinyBatch(5));
  });
  after(() => model.dispose());

  it('gives the very same files and report at once and in steps', async () => {
    const rules: RewriteOptions['rules'] = [
      { role: 'mlp.in', method: 'smoothquant' },
      { role: 'mlp.out', weights: { bits: 8 } },
    ];
    await expectNoLeakAsync(async () => {
      const options = { stats, lowRank: 2, rules };
      const atOnce = rewriteGraph(model, options);
      const inSteps = await rewriteGraphAsync(model, options);
      expect(inSteps.report).to.deep.equal(atOnce.report);
      expect(await bytesOf(inSteps.model)).to.deep.equal(await bytesOf(atOnce.model));
      inSteps.model.dispose();
      atOnce.model.dispose();
    });
  });

  it('reports every linear once, in order, up to the last', async () => {
    const seen: RewriteProgress[] = [];
    const { model: small, report } = await rewriteGraphAsync(model, {
      method: 'hadamard',
      onProgress: (progress) => seen.push(progress),
    });
    const { length: total } = report.linears;
    expect(total).to.equal(9 + 1);
    expect(seen.map(({ done }) => done)).to.deep.equal(seen.map((_, i) => i + 1));
    expect(seen.map((progress) => progress.total)).to.deep.equal(seen.map(() => total));
    expect(seen.length).to.equal(total);
    const names = (list: readonly { name: string }[]) => list.map(({ name }) => name).sort();
    expect(names(seen)).to.deep.equal(names(report.linears));
    small.dispose();
  });

  for (const after of [0, 1, 5, 10]) {
    it(`that is cancelled after ${after} linears leaves the model as it was`, async () => {
      await expectNoLeakAsync(async () => {
        const cancel = new AbortController();
        if (after === 0) cancel.abort();
        let count = 0;
        const onProgress = () => {
          if (++count === after) cancel.abort();
        };
        const options = { stats, compare: false, signal: cancel.signal, onProgress };
        const error = await rejection(rewriteGraphAsync(model, options));
        expect(error).to.be.instanceOf(RewriteAbortedError).and.instanceOf(HadaNormError);
        expect(error.name).to.equal('AbortError');
        expect(count).to.equal(after);
        expect(velocityOf(model, tinyBatch(5))).to.deep.equal(expected);
      });
    });
  }

  it('leaves nothing behind when it fails half way', async () => {
    // by the last of the linears: those before it are done by then
    const rules: RewriteOptions['rules'] = [{ role: 'mlp.out', blockSize: 5, rotate: true }];
    expectNoLeak(() => {
      expect(() => rewriteGraph(model, { stats, compare: false, rules })).to.throw(
        InvalidArgumentError,
        'blockSize must be a divisor of 64',
      );
    });
    await expectNoLeakAsync(async () => {
      const error = await rejection(rewriteGraphAsync(model, { stats, compare: false, rules }));
      expect(error.message).to.include('blockSize');
    });
  });

  it('leaves nothing behind when onProgress throws', async () => {
    const failure = new RangeError('no bar');
    const onProgress = ({ done }: RewriteProgress) => {
      if (done === 3) throw failure;
    };
    await expectNoLeakAsync(async () => {
      const options = { method: 'hadamard', onProgress } as const;
      expect(await rejection(rewriteGraphAsync(model, options))).to.equal(failure);
    });
  });

  it('of a rewritten model changes nothing and says so', async () => {
    const { model: once, report: first } = rewriteGraph(model, { stats, compare: false });
    const before = await bytesOf(once);
    const rules = [{ treatment: 'skip' }] as const;
    for (const options of [{}, { stats, compare: false }, { method: 'rtn' } as const]) {
      expectNoLeak(() => {
        expect(() => rewriteGraph(once, options)).to.throw(NothingToQuantizeError, 'already');
      });
      expect(await bytesOf(once)).to.deep.equal(before);
      const { model: twice, report } = rewriteGraph(once, { ...options, rules });
      expect(report.notes).to.include('10 linears quantized already: left as they were');
      expect(await bytesOf(twice)).to.deep.equal(before);
      expect(report.linears.filter(({ treatment }) => treatment !== 'untouched')).to.deep.equal([]);
      expect(report.totals.modelBytes.after).to.equal(first.totals.modelBytes.after);
      expect(report.totals.sqnr).to.equal(null);
      expect(`${describeGraph(twice)}`).to.include('No linears');
      twice.dispose();
    }
    once.dispose();
  });

  it('makes a model that runs when the original is disposed first, or after it', async () => {
    await expectNoLeakAsync(async () => {
      const other = await tinyDit();
      const { model: small } = rewriteGraph(other, { stats, compare: false });
      const { model: second } = rewriteGraph(other, { stats, compare: false });
      const values = velocityOf(small, tinyBatch(5));
      second.dispose();
      expect(velocityOf(other, tinyBatch(5)), 'the original').to.deep.equal(expected);
      other.dispose();
      expect(velocityOf(small, tinyBatch(5)), 'the rewritten one').to.deep.equal(values);
      small.dispose();
    });
  });

  it('of a disposed model is an error, and leaves nothing behind', async () => {
    const gone = await tinyDit();
    gone.dispose();
    expectNoLeak(() => {
      expect(() => rewriteGraph(gone, { method: 'hadamard' })).to.throw(HadaNormError, 'disposed');
    });
  });

  it('inside a tidy makes a model that outlives it', async () => {
    await expectNoLeakAsync(async () => {
      let small: tf.GraphModel | undefined;
      tf.tidy(() => {
        small = rewriteGraph(model, { method: 'hadamard' }).model;
      });
      expect(velocityOf(small!, tinyBatch(5)).every(Number.isFinite)).to.equal(true);
      small!.dispose();
    });
  });

  if (backend === 'tensorflow') return;

  it('takes memory for new weights alone', () => {
    const before = tf.memory();
    const { model: small } = rewriteGraph(model, { stats, compare: false });
    const known = graphOfModel('test', model).weights;
    const all = Object.entries(small.weights);
    const created = all.filter(([name]) => !known.has(name));
    const bytesOfAll = (entries: typeof all) =>
      entries
        .flatMap(([, tensors]) => tensors)
        .reduce((sum, { size, dtype }) => sum + size * (dtype === 'bool' ? 1 : 4), 0);
    const after = tf.memory();
    expect(after.numDataBuffers - before.numDataBuffers, 'buffers').to.equal(created.length);
    expect(all.length, 'weights, some of them shared').to.be.above(created.length);
    // tfjs counts the bytes of every handle, also of two on one buffer
    expect(after.numBytes - before.numBytes).to.equal(bytesOfAll(all));
    expect(bytesOfAll(created)).to.be.above(0);
    small.dispose();
    expect(tf.memory()).to.deep.equal(before);
  });
});
