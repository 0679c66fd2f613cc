import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  AbortedError,
  type Batch,
  evaluateLinears,
  HadaNormError,
  InvalidArgumentError,
  rewriteGraph,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { rowsThroughMlp } from '../../harness/graphs/oddities.js';
import { EXACT, loaded } from '../../harness/graphs/run.js';
import { varied } from '../../harness/graphs/zoo.js';
import { tinyBatch, tinyBatches, tinyDit } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

/** 10 log10(Σ (y − b)² / Σ (y − ŷ)²) in float64, written out: what is tested calls the helper. */
function decibels(exact: Float32Array, other: Float32Array, bias: Float32Array): number {
  let signal = 0;
  let noise = 0;
  exact.forEach((v, i) => {
    signal += (v - bias[i % bias.length]!) ** 2;
    noise += (v - other[i]!) ** 2;
  });
  return 10 * Math.log10(signal / noise);
}

describeOnBackends('evaluateLinears', (backend) => {
  let model: tf.GraphModel;
  let small: tf.GraphModel;
  before(async () => {
    model = await tinyDit({ linear: 'batchMatMul' });
    const options = { method: 'hadamard', weights: { bits: 3 }, compare: false } as const;
    ({ model: small } = rewriteGraph(model, options));
    // a GPU keeps packed weights from their first use on, as data of the backend
    const batches = tinyBatches(1);
    await evaluateLinears(model, small, batches);
    tf.dispose(batches);
  });
  after(() => {
    model.dispose();
    small.dispose();
  });

  it('is what a linear alone does to the input that it has in the original', async () => {
    await expectNoLeakAsync(async () => {
      const batches = tinyBatches(2);
      const rows = await evaluateLinears(model, small, batches);
      const fc2 = rows.find(({ role }) => role === 'mlp.out')!;
      const bias = (await model.weights['blocks/0/mlp/fc2/bias']![0]!.data()) as Float32Array;
      const values: Float32Array[][] = [[], []];
      for (const batch of batches) {
        const site = 'blocks/0/mlp/act/mul_3';
        const [x, y] = model.execute(batch, [site, fc2.name]) as [tf.Tensor, tf.Tensor];
        const other = small.execute({ [site]: x }, fc2.name) as tf.Tensor;
        values[0]!.push(y.dataSync() as Float32Array);
        values[1]!.push(other.dataSync() as Float32Array);
        tf.dispose([x, y, other]);
      }
      const [exact, approximate] = values.map((parts) =>
        Float32Array.from(parts.flatMap((part) => [...part])),
      );
      const expected = decibels(exact!, approximate!, bias);
      expect(expected).to.be.within(5, 30);
      expect(fc2.output).to.be.closeTo(expected, 1e-6);
      tf.dispose(batches);
    });
  });

  it('tells of every linear once, also of those that were left alone: Infinity', async () => {
    await expectNoLeakAsync(async () => {
      const rules = [{ role: 'mlp', treatment: 'skip' }] as const;
      // not fused: else products of float32 are lowered, and those of tfjs's wasm backend differ in
      // the last bits
      const options = { method: 'rtn', fuse: false, rules } as const;
      const { model: part, report } = rewriteGraph(model, options);
      const batches = tinyBatches(1);
      const rows = await evaluateLinears(model, part, batches);
      expect(rows.map(({ name }) => name)).to.deep.equal(report.linears.map(({ name }) => name));
      for (const [i, { role, output }] of rows.entries()) {
        const untouched = report.linears[i]!.treatment === 'untouched';
        expect(output === Number.POSITIVE_INFINITY, role).to.equal(untouched);
      }
      expect(rows.filter(({ output }) => !Number.isFinite(output)).length).to.equal(2);
      part.dispose();
      tf.dispose(batches);
    });
  });

  it('finds float32 rounding at most in linears left alone in a fused model', async () => {
    await expectNoLeakAsync(async () => {
      const rules = [{ role: 'mlp', treatment: 'skip' }] as const;
      const { model: part } = rewriteGraph(model, { method: 'rtn', rules });
      const batches = tinyBatches(1);
      const rows = await evaluateLinears(model, part, batches);
      const alone = rows.filter(({ role }) => role.startsWith('mlp'));
      expect(alone.map(({ role }) => role)).to.deep.equal(['mlp.in', 'mlp.out']);
      for (const { role, output } of alone) expect(output, role).to.be.above(120);
      part.dispose();
      tf.dispose(batches);
    });
  });

  it('finds next to nothing where nothing was quantized', async () => {
    const { model: same } = rewriteGraph(model, { ...EXACT, method: 'hadamard' });
    const batches = tinyBatches(1);
    for (const { name, output } of await evaluateLinears(model, same, batches)) {
      expect(output, name).to.be.above(100);
    }
    tf.dispose(batches);
    same.dispose();
  });

  it('leaves inputs alone that a linear reads as they are', async () => {
    for (const graph of [rowsThroughMlp(), varied({ caption: true })]) {
      const own = await loaded(graph.artifacts);
      const { model: other } = rewriteGraph(own, { method: 'hadamard', compare: false });
      const batch = graph.inputs(2, graph.tokens[0]!, 1);
      await evaluateLinears(own, other, [batch]);
      await expectNoLeakAsync(async () => {
        const first = await evaluateLinears(own, other, [batch]);
        expect(await evaluateLinears(own, other, [batch])).to.deep.equal(first);
      });
      expect(Object.values(batch).some(({ isDisposed }) => isDisposed)).to.equal(false);
      tf.dispose(batch);
      own.dispose();
      other.dispose();
    }
  });

  it('takes any iterable, counts batches, and stops when it is cancelled', async () => {
    await expectNoLeakAsync(async () => {
      const done: number[] = [];
      async function* some() {
        for (const seed of [1, 2, 3]) {
          const batch = tinyBatch(seed);
          yield batch;
          tf.dispose(batch);
        }
      }
      await evaluateLinears(model, small, some(), {
        onProgress: ({ done: count }) => done.push(count),
      });
      expect(done).to.deep.equal([1, 2, 3]);
      const cancel = new AbortController();
      const reason = new Error('enough');
      const onProgress = () => cancel.abort(reason);
      const batches = tinyBatches(3);
      const options = { signal: cancel.signal, onProgress };
      const error = await rejection(evaluateLinears(model, small, batches, options));
      expect(error).to.be.instanceOf(AbortedError);
      expect(error.cause).to.equal(reason);
      tf.dispose(batches);
    });
  });

  it('refuses models that do not belong together, and what are no batches', async () => {
    const deep = await tinyDit({ linear: 'batchMatMul', depth: 2 });
    const batches = tinyBatches(1);
    const wrong = await rejection(evaluateLinears(deep, small, batches));
    expect(wrong).to.be.instanceOf(HadaNormError);
    expect(wrong.message).to.include('was not made from the original');
    tf.dispose(batches);
    deep.dispose();
    for (const given of [null, 3, [], [3], [null], {}]) {
      await expectNoLeakAsync(async () => {
        const error = await rejection(evaluateLinears(model, small, given as Iterable<Batch>));
        expect(error).to.be.instanceOf(InvalidArgumentError);
        expect((error as InvalidArgumentError).argument).to.match(/^batches/);
      });
    }
    const options = { onprogress: () => {} } as object;
    const unknown = await rejection(evaluateLinears(model, small, [], options));
    expect(unknown.message).to.include('onprogress');
  });

  it('gives NaN where a model gives NaN, rather than a good figure', async () => {
    const batch = tinyBatch(1);
    const spoilt = { ...batch, latent: tf.fill([2, 8, 8, 4], Number.NaN) };
    const rows = await evaluateLinears(model, small, [spoilt]);
    expect(rows.find(({ role }) => role === 'mlp.in')!.output, backend).to.be.NaN;
    tf.dispose([batch, spoilt]);
  });
});
