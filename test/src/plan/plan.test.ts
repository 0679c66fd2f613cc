import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { runAll } from '../../../examples/webgpu/recordedPlan.js';
import { currentBackend } from '../../../ops/common/kernel.js';
import type { WebgpuBackend } from '../../../ops/webgpu/backend.js';
import { PLANS_FLAG } from '../../../ops/webgpu/flag.js';
import { attr } from '../../../src/graph/attrs.js';
import {
  fuseGraph,
  InvalidArgumentError,
  NotRecordableError,
  type RecordedPlan,
  rewriteGraph,
} from '../../../src/index.js';
// the package loads it where it is called, and mocha what is loaded so a second time
import { plan } from '../../../src/plan/plan.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { type SmallGraph, smallGraph } from '../../harness/graphs/small.js';
import { tinyBatch, tinyDit } from '../../harness/models/tinyDit.js';
import { bits } from '../../harness/run/bits.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

/** The parts of tfjs's buffer manager that count: what is in use, by size and usage. */
interface Manager {
  readonly usedBuffers: ReadonlyMap<string, readonly GPUBuffer[]>;
}

async function expectSame(step: RecordedPlan, model: tf.GraphModel, inputs: tf.NamedTensorMap) {
  const got = step.run(inputs);
  const wanted = model.execute(inputs) as tf.Tensor | tf.Tensor[];
  expect(Array.isArray(got)).to.equal(Array.isArray(wanted));
  const looks = (made: tf.Tensor | tf.Tensor[]) =>
    [made].flat().map(({ shape, dtype }) => ({ shape, dtype }));
  expect(looks(got)).to.deep.equal(looks(wanted));
  const others = [inputs, model.weights].flatMap(Object.values).flat();
  expect(await bits(got)).to.deep.equal(await bits(wanted, others));
}

describeOnBackends('plan', (backend) => {
  if (backend !== 'webgpu') {
    it('is of WebGPU alone: elsewhere an error says so', async () => {
      const model = await tinyDit();
      const batch = tinyBatch(1);
      const error = await rejection(plan(model, batch));
      tf.dispose(batch);
      model.dispose();
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(error.message).to.contain(`the backend must be webgpu, got ${backend}.`);
    });
    return;
  }

  // what execute gives is to be what the executor gives
  before(() => tf.env().set(PLANS_FLAG, false));
  after(() => tf.env().set(PLANS_FLAG, true));

  const small = async (graph: SmallGraph) => {
    const { artifacts, inputs } = smallGraph(graph);
    return { model: await tf.loadGraphModel(tf.io.fromMemory(artifacts)), inputs };
  };

  for (const way of ['as it was', 'fused', 'quantized'] as const) {
    it(`a DiT ${way} gives the bits of execute, for one batch after the other`, async () => {
      const original = await tinyDit();
      const options = {
        method: 'hadamard',
        mode: 'integer',
        center: 'dynamic',
        lowRank: 3,
      } as const;
      const quantized = () => rewriteGraph(original, options).model;
      const make = { 'as it was': () => original, fused: () => fuseGraph(original), quantized };
      const model = make[way]();
      const batches = [1, 2, 3].map((seed) => tinyBatch(seed));
      const step = await plan(model, batches[0]!);
      await expectNoLeakAsync(async () => {
        for (const batch of [...batches, batches[0]!]) await expectSame(step, model, batch);
      });
      // on the GPU already, and two runs before anything is read
      const moved = tf.tidy(() => ({ ...batches[1]!, latent: tf.mul(batches[1]!.latent!, 3) }));
      const both = [step.run(batches[2]!), step.run(moved)];
      const wanted = [model.execute(batches[2]!), model.execute(moved)] as tf.Tensor[];
      expect(await bits(both.flat())).to.deep.equal(await bits(wanted));
      step.dispose();
      tf.dispose([moved.latent, ...batches.flatMap(Object.values)]);
      for (const one of new Set([model, original])) one.dispose();
    });
  }

  it('outlives its model, whose buffers nobody else is given until it is disposed of', async () => {
    const { bufferManager } = currentBackend<WebgpuBackend>();
    const batch = tinyBatch(1);
    const used = async () => {
      // what is disposed of is given back when what was recorded is submitted
      await bits(tf.square(batch.latent!));
      const { usedBuffers } = bufferManager as object as Manager;
      // uniforms are kept for who needs the same again
      const isTensor = ({ usage }: GPUBuffer) => (usage & GPUBufferUsage.UNIFORM) === 0;
      return [...usedBuffers.values()].flat().filter(isTensor).length;
    };
    const warm = await tinyDit();
    (await plan(warm, batch)).dispose();
    warm.dispose();
    const before = await used();
    const model = await tinyDit();
    const step = await plan(model, batch);
    const wanted = await bits(step.run(batch));
    model.dispose();
    const { bytes, programs } = step;
    expect(bytes).to.be.above(1000);
    expect(programs).to.be.above(20);
    // whatever the model's buffers were: these would take them
    const sizes = [1, 3, 32, 64, 96, 16 * 32, 32 * 32, 32 * 96, 32 * 64, 64 * 32, 32 * 192];
    const others = sizes.flatMap((size) => [1, 2, 3].map((value) => tf.fill([size], value)));
    for (const other of others) tf.square(other).dispose();
    expect(await bits(step.run(batch))).to.deep.equal(wanted);
    tf.dispose(others);
    step.dispose();
    step.dispose();
    expect(() => step.run(batch)).to.throw(InvalidArgumentError, 'a disposed one');
    expect(await used()).to.equal(before);
    tf.dispose(batch);
  });

  it('inputs, weights, casts and several outputs come as execute gives them', async () => {
    const { model, inputs } = await small({
      shapes: [[2, 3]],
      build: (k, [x]) => {
        const positive = k.graph.node('Greater', 'positive', [
          x!,
          k.graph.constant('zero', [], Float32Array.of(0)),
        ]);
        const types = { SrcT: attr.type('bool'), DstT: attr.type('float32') };
        const counted = k.graph.node('Cast', 'counted', [positive], types);
        const weight = k.graph.constant('weight', [2, 2], Float32Array.of(1, 2, 3, 4));
        return [x!, positive, counted, weight, k.graph.node('Neg', 'minus', [counted])];
      },
    });
    const [first, second] = [inputs(1), inputs(2)];
    const step = await plan(model, first);
    for (const given of [first, second, first]) await expectSame(step, model, given);
    step.dispose();
    tf.dispose([first, second]);
    model.dispose();
  });

  it('integers that were cast are taken as the numbers that they are', async () => {
    const { model, inputs } = await small({
      shapes: [[2, 3]],
      build: (k, [x]) => k.graph.node('Square', 'square', [x!]),
    });
    const first = inputs(1);
    const [name] = Object.keys(first);
    const step = await plan(model, first);
    const cast = tf.tidy(() => {
      // on the GPU: there a cast shares the integers' memory
      const whole = tf.mul(
        tf.tensor2d([1, -2, 3, -4, 5, -6], [2, 3], 'int32'),
        tf.scalar(2, 'int32'),
      );
      return { [name!]: tf.cast(whole, 'float32') };
    });
    const result = step.run(cast) as tf.Tensor;
    expect(Array.from(await result.data())).to.deep.equal([4, 16, 36, 64, 100, 144]);
    step.dispose();
    tf.dispose([result, first, cast]);
    model.dispose();
  });

  it('runs on its backend while another is the current one', async () => {
    const model = await tinyDit();
    const batch = tinyBatch(1);
    const step = await plan(model, batch);
    const wanted = await bits(step.run(batch));
    await tf.setBackend('cpu');
    try {
      const elsewhere = tinyBatch(1);
      expect(await bits(step.run(elsewhere))).to.deep.equal(wanted);
      tf.dispose(elsewhere);
    } finally {
      await tf.setBackend('webgpu');
    }
    step.dispose();
    tf.dispose(batch);
    model.dispose();
  });

  it('the example of docs/backends.md runs a model on one batch after the other', async () => {
    const model = await tinyDit();
    const batches = [1, 2].map((seed) => tinyBatch(seed));
    const seen: number[][] = [];
    await expectNoLeakAsync(() =>
      runAll(model, batches, async (output) => void seen.push(Array.from(await output.data()))),
    );
    const wanted = batches.map((batch) => {
      return tf.tidy(() => Array.from((model.execute(batch) as tf.Tensor).dataSync()));
    });
    expect(seen).to.deep.equal(wanted);
    tf.dispose(batches);
    model.dispose();
  });

  it('other names, shapes and dtypes than those recorded are refused', async () => {
    const model = await tinyDit();
    const batch = tinyBatch(1);
    const step = await plan(model, batch);
    const one = tinyBatch(1, [0.5]);
    const { label, ...rest } = batch;
    const ints = { ...batch, timestep: tf.tensor1d([0, 1], 'int32') };
    const cases: readonly (readonly [tf.NamedTensorMap, string])[] = [
      [
        one,
        'inputs.latent must be float32 of shape [2,8,8,4], as recorded, got float32 of shape [1,8',
      ],
      [rest, 'inputs.label must be int32 of shape [2], as recorded, got none'],
      [ints, 'inputs.timestep must be float32 of shape [2], as recorded, got int32 of shape [2]'],
      [{ ...batch, other: label! }, 'inputs must be those recorded (latent, timestep, label)'],
    ];
    for (const [given, message] of cases) {
      expect(() => step.run(given)).to.throw(InvalidArgumentError, message);
    }
    await expectSame(step, model, batch);
    step.dispose();
    tf.dispose([one, batch, ints.timestep].flatMap((tensors) => Object.values(tensors)));
    model.dispose();
  });

  const REFUSED: Readonly<Record<string, readonly [SmallGraph['build'], string]>> = {
    'random numbers': [
      (k, [x]) => {
        const shape = k.graph.integers('shape', [2, 3]);
        const noise = k.graph.node('RandomStandardNormal', 'noise', [shape], {
          dtype: attr.type('float32'),
          T: attr.type('int32'),
        });
        return k.graph.node('AddV2', 'sum', [x!, noise]);
      },
      'noise (RandomStandardNormal) differs at each run',
    ],
    'outputs of any shape': [
      (k, [x]) => k.graph.node('Where', 'where', [x!], { T: attr.type('float32') }),
      'control flow or outputs of any shape',
    ],
    'values read on the way': [
      (k, [x]) => {
        const types = { SrcT: attr.type('float32'), DstT: attr.type('int32') };
        const dims = k.graph.node('Cast', 'dims', [x!], types);
        const flat = k.graph.node('Reshape', 'flat', [dims, k.graph.integers('six', [6])]);
        return k.graph.node('Fill', 'filled', [
          flat,
          k.graph.constant('one', [], Float32Array.of(1)),
        ]);
      },
      'a node reads what was computed on the GPU',
    ],
  };
  for (const [what, [build, message]] of Object.entries(REFUSED)) {
    it(`${what}: refused, and nothing is left`, async () => {
      const { model, inputs } = await small({ shapes: [[2, 3]], build });
      const given = tf.tidy(() => {
        const [[name, x]] = Object.entries(inputs(1)) as [[string, tf.Tensor]];
        return { [name]: tf.add(tf.mul(x, 0), 1) };
      });
      await expectNoLeakAsync(async () => {
        const error = await rejection(plan(model, given));
        expect(error).to.be.instanceOf(NotRecordableError);
        expect(error.message).to.contain(message);
      });
      tf.dispose(given);
      model.dispose();
    });
  }
});
