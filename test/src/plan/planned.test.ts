import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { PLANS_FLAG } from '../../../ops/webgpu/flag.js';
import { attr } from '../../../src/graph/attrs.js';
import {
  fuseGraph,
  loadQuantized,
  rewriteGraph,
  saveQuantized,
  webgpuReady,
} from '../../../src/index.js';
import { recorderReady } from '../../../src/plan/planned.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { smallGraph } from '../../harness/graphs/small.js';
import { tinyBatch, tinyDit } from '../../harness/models/tinyDit.js';
import { bits } from '../../harness/run/bits.js';
import { savedBy } from '../../harness/run/savedBy.js';

type Made = tf.Tensor | tf.Tensor[];

/** How often tfjs's executor runs a model's graph in `call`. */
async function runsIn(model: tf.GraphModel, call: () => Promise<unknown>): Promise<number> {
  const { executor } = model as object as { executor: { execute: (...args: unknown[]) => Made } };
  const { execute } = executor;
  let count = 0;
  executor.execute = (...args) => {
    count++;
    return execute.apply(executor, args);
  };
  try {
    await call();
  } finally {
    Reflect.deleteProperty(executor, 'execute');
  }
  return count;
}

const OPTIONS = { method: 'hadamard', mode: 'integer', center: 'dynamic', lowRank: 3 } as const;

describeOnBackends('Models of this package', (backend) => {
  if (backend !== 'webgpu') {
    it('run their graph at each call where there are no plans', async () => {
      const original = await tinyDit();
      const model = fuseGraph(original);
      const batch = tinyBatch(1);
      const runs = await runsIn(model, async () => {
        for (let i = 0; i < 4; i++) await bits(model.execute(batch) as Made);
      });
      expect(runs).to.equal(4);
      tf.dispose(batch);
      for (const one of [model, original]) one.dispose();
    });
    return;
  }

  before(async () => {
    await webgpuReady();
    await recorderReady();
  });

  const quantized = (original: tf.GraphModel) => rewriteGraph(original, OPTIONS).model;
  const ways: Record<string, (original: tf.GraphModel) => Promise<tf.GraphModel>> = {
    fused: async (original) => fuseGraph(original),
    quantized: async (original) => quantized(original),
    loaded: async (original) => {
      const model = quantized(original);
      const artifacts = await savedBy((handler) => saveQuantized(model, handler));
      model.dispose();
      return loadQuantized(tf.io.fromMemory(artifacts));
    },
  };
  for (const [way, make] of Object.entries(ways)) {
    it(`${way}: from the third call on no graph is run, and no bit is another`, async () => {
      const original = await tinyDit();
      const model = await make(original);
      const batches = [1, 2, 3, 4].map((seed) => tinyBatch(seed));
      tf.env().set(PLANS_FLAG, false);
      const wanted: number[][][] = [];
      for (const batch of batches) wanted.push(await bits(model.execute(batch) as Made));
      tf.env().set(PLANS_FLAG, true);
      const before = tf.memory().numTensors;
      const got: number[][][] = [];
      const runs = await runsIn(model, async () => {
        for (const batch of batches) got.push(await bits(model.predict(batch) as Made));
      });
      expect(got).to.deep.equal(wanted);
      // the second call runs it, and is recorded besides
      expect(runs).to.equal(3);
      // a plan's own inputs
      expect(tf.memory().numTensors).to.equal(before + Object.keys(batches[0]!).length);
      model.dispose();
      original.dispose();
      tf.dispose(batches.flatMap(Object.values));
    });
  }

  const square = async () => {
    const { artifacts, inputs } = smallGraph({
      shapes: [[2, 3]],
      build: (k, [x]) => k.graph.node('Neg', 'minus', [k.graph.node('Square', 'squared', [x!])]),
    });
    const original = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
    return { original, model: fuseGraph(original), batch: inputs(1) };
  };

  it('run the graph for other outputs, in a profile, and where switched off', async () => {
    const { original, model, batch } = await square();
    const run = () => model.execute(batch) as tf.Tensor;
    for (let i = 0; i < 3; i++) await bits(run());
    expect(await runsIn(model, async () => bits(run()))).to.equal(0);
    expect(await runsIn(model, async () => bits(model.execute(batch, 'minus') as Made))).to.equal(
      0,
    );
    const others = async () => bits(model.execute(batch, 'squared') as Made);
    expect(await runsIn(model, others)).to.equal(1);
    const profile = async () => {
      const { result, kernels } = await tf.profile(run);
      expect(kernels.map(({ name }) => name)).to.include('Square');
      await bits(result as tf.Tensor);
    };
    expect(await runsIn(model, profile)).to.equal(1);
    const off = async () => {
      tf.env().set(PLANS_FLAG, false);
      await bits(run());
      tf.env().set(PLANS_FLAG, true);
    };
    expect(await runsIn(model, off)).to.equal(1);
    expect(await runsIn(model, async () => bits(run()))).to.equal(0);
    tf.dispose(batch);
    expect(run).to.throw();
    for (const one of [model, original]) one.dispose();
  });

  it('run the graph where tfjs takes its time', async () => {
    const original = await tinyDit();
    const model = fuseGraph(original);
    const batch = tinyBatch(1);
    const runs = await runsIn(model, async () => {
      for (let i = 0; i < 4; i++) await tf.time(() => tf.dispose(model.execute(batch) as Made));
    });
    expect(runs).to.equal(4);
    tf.dispose(batch);
    for (const one of [model, original]) one.dispose();
  });

  it('have gradients all the same', async () => {
    const { original, model, batch } = await square();
    const [[name, x]] = Object.entries(batch) as [[string, tf.Tensor]];
    for (let i = 0; i < 3; i++) await bits(model.execute(batch) as Made);
    const slopes = tf.grad((given: tf.Tensor) =>
      tf.sum(model.execute({ [name]: given }) as tf.Tensor),
    );
    expect(await bits(slopes(x))).to.deep.equal(await bits(tf.mul(x, -2)));
    tf.dispose(batch);
    for (const one of [model, original]) one.dispose();
  });

  it('keep plans for four shapes at a time, and take them along when they go', async () => {
    const { artifacts } = smallGraph({
      shapes: [[-1, 3]],
      build: (k, [x]) => [k.graph.node('Square', 'squared', [x!])],
    });
    const original = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
    const [input] = original.inputs;
    const before = tf.memory().numTensors;
    const model = fuseGraph(original);
    const weights = tf.memory().numTensors - before;
    const sizes = [1, 2, 3, 4, 5];
    for (const size of [...sizes, ...sizes]) {
      const x = tf.fill([size, 3], size);
      for (let i = 0; i < 3; i++) {
        const y = model.execute({ [input!.name]: x }) as tf.Tensor;
        expect(y.shape).to.deep.equal([size, 3]);
        expect([...new Set(await y.data())]).to.deep.equal([size * size]);
        y.dispose();
      }
      x.dispose();
    }
    expect(tf.memory().numTensors).to.equal(before + weights + 4);
    model.dispose();
    expect(tf.memory().numTensors).to.equal(before);
    original.dispose();
  });

  it('keep their plan whatever tfjs refuses, and give it back at once when they go', async () => {
    const original = await tinyDit();
    const before = tf.memory().numTensors;
    const model = fuseGraph(original);
    const batch = tinyBatch(1);
    const ran = () => runsIn(model, () => bits(model.execute(batch) as Made));
    for (let i = 0; i < 3; i++) await ran();
    expect(await ran(), 'with a plan').to.equal(0);
    for (const name of ['one', 'two', 'three', 'four']) {
      expect(() => model.execute({ ...batch, [name]: batch.timestep! })).to.throw(name);
    }
    expect(await ran(), 'with a plan still').to.equal(0);
    const second = fuseGraph(original);
    // its plan is still before the device
    tf.dispose([second.execute(batch), second.execute(batch)] as tf.Tensor[]);
    tf.dispose(batch);
    for (const one of [second, model]) one.dispose();
    expect(tf.memory().numTensors).to.equal(before);
    original.dispose();
  });

  it('run the graph where runs differ by more than their inputs', async () => {
    const { artifacts, inputs } = smallGraph({
      shapes: [[2, 3]],
      build: (k, [x]) => {
        const attrs = { T: attr.type('int32'), dtype: attr.type('float32') };
        const shape = k.graph.constant('shape', [2], Int32Array.of(2, 3));
        const random = k.graph.node('RandomUniform', 'random', [shape], attrs);
        return [k.graph.node('AddV2', 'noisy', [x!, random])];
      },
    });
    const original = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
    const model = fuseGraph(original);
    const batch = inputs(1);
    const seen = new Set<string>();
    const runs = await runsIn(model, async () => {
      for (let i = 0; i < 5; i++) seen.add(`${await bits(model.execute(batch) as Made)}`);
    });
    expect(runs).to.equal(5);
    expect(seen.size).to.equal(5);
    tf.dispose(batch);
    for (const one of [model, original]) one.dispose();
  });
});
