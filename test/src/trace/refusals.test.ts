import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  calibrate,
  describeGraph,
  InvalidArgumentError,
  type ToGraphModelOptions,
  TraceError,
  toGraphModel,
} from '../../../src/index.js';
import { rejection } from '../../harness/run/rejection.js';

type Call = (x: tf.Tensor) => tf.Tensor;

let calls = 0;
let state: tf.Variable;

/** What no graph can repeat: the call, and what the error names. */
const REFUSED: Readonly<Record<string, readonly [call: Call, what: string | RegExp]>> = {
  'a value that decides': [
    (x) => (tf.sum(x).dataSync()[0]! > 0 ? x : tf.neg(x)),
    'the result of Sum',
  ],
  'a value of an input': [(x) => tf.mul(x, x.arraySync() as number[][]), 'the input "input"'],
  'a value that is waited for': [
    (x) => {
      void tf.relu(x).data();
      return x;
    },
    'the result of Relu',
  ],
  'a kernel without an op': [(x) => tf.step(x), 'Step'],
  'a random constant': [(x) => tf.add(x, tf.randomNormal(x.shape)), /constant of shape \[2,3\]/],
  'dropout, as in training': [(x) => tf.dropout(x, 0.5), /constant/],
  'a call that is another one each time': [(x) => (calls++ % 2 ? tf.neg(x) : tf.abs(x)), 'Abs'],
  'a variable that the call changes': [
    (x) => {
      const next = tf.mul(state, 2);
      state.assign(next as tf.Scalar);
      return tf.add(x, state);
    },
    /constant of shape \[\]/,
  ],
  'a promise': [(async (x: tf.Tensor) => x) as never, 'the result'],
  'a promise that waits for values': [
    (async (x: tf.Tensor) => tf.mul(x, (await tf.sum(x).data())[0]!)) as never,
    'the result of Sum|the result',
  ],
  nothing: [(() => undefined) as never, 'the result'],
};

describe('What toGraphModel refuses', () => {
  before(async () => {
    await tf.setBackend('cpu');
    state = tf.variable(tf.scalar(1));
  });
  after(() => state.dispose());

  for (const [title, [call, what]] of Object.entries(REFUSED)) {
    it(`${title}, by name; nothing is left`, () => {
      const x = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
      const before = tf.memory().numTensors;
      const error = thrown(() => toGraphModel(call, x));
      expect(error).to.be.instanceOf(TraceError).with.property('op', 'toGraphModel');
      expect((error as TraceError).what).to.match(
        typeof what === 'string' ? new RegExp(`^(${what})$`) : what,
      );
      expect(tf.memory().numTensors).to.equal(before);
      for (const name of ['runKernel', 'readSync', 'read']) {
        expect(Object.hasOwn(tf.engine(), name), name).to.equal(false);
      }
      x.dispose();
    });
  }

  it('passes on what the call throws', () => {
    const call: Call = () => {
      throw new RangeError('mine');
    };
    expect(thrown(() => toGraphModel(call, tf.ones([1])))).to.be.instanceOf(RangeError);
    expect(Object.hasOwn(tf.engine(), 'runKernel')).to.equal(false);
  });

  for (const [title, given, inputs, options, message] of [
    ['no function', 5, tf.ones([1]), {}, 'modelOrFunction must be a tf.LayersModel or a function'],
    ['no inputs', tf.abs, [], {}, 'exampleInputs must be a tensor, an array'],
    ['a number', tf.abs, 5, {}, 'got 5'],
    ['numbers by name', tf.abs, { x: 5 }, {}, 'exampleInputs.x must be a tensor'],
    ['strings', tf.abs, tf.tensor(['a']), {}, 'must be float32, int32 or bool, got string'],
    ['another batch', tf.abs, tf.ones([1]), { batch: 'all' }, "batch must be 'auto', 'free'"],
    ['another option', tf.abs, tf.ones([1]), { free: true }, 'free'],
  ] as const) {
    it(`${title}: a typed error`, () => {
      const call = () => toGraphModel(given as never, inputs as never, options as never);
      expect(call).to.throw(InvalidArgumentError, message);
    });
  }

  describe('of the batch', () => {
    const shapeOf = (call: Call, options?: ToGraphModelOptions) => {
      const model = toGraphModel(call, tf.ones([2, 3]), options);
      const { shape } = model.inputs[0]!;
      model.dispose();
      return shape;
    };
    const bakes: Readonly<Record<string, readonly [call: Call, kernel: string]>> = {
      'half of the samples': [(x) => tf.slice(x, [0, 0], [x.shape[0]! / 2, 3]), 'Slice'],
      'all samples as one row': [(x) => tf.matMul(tf.reshape(x, [1, 6]), tf.ones([6, 1])), 'batch'],
      'numbers of the samples': [
        (x) => tf.add(x, tf.range(0, x.shape[0]).expandDims(1)),
        'constant',
      ],
    };

    it('is free by default where nothing holds it, and fixed where that is asked for', () => {
      expect(shapeOf(tf.abs)).to.deep.equal([-1, 3]);
      expect(shapeOf(tf.abs, { batch: 'fixed' })).to.deep.equal([2, 3]);
    });

    for (const [title, [call, kernel]] of Object.entries(bakes)) {
      it(`${title}: it stays, and an error says by what where it must not`, () => {
        expect(shapeOf(call)).to.deep.equal([2, 3]);
        const error = thrown(() => shapeOf(call, { batch: 'free' }));
        expect(error).to.be.instanceOf(TraceError);
        expect(error.message).to.include(kernel).and.include("{ batch: 'fixed' }");
      });
    }
  });

  it('a LayersModel with open lengths, where it is to be looked into', async () => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 2, inputShape: [null, 3] as never })],
    });
    const wanted = /must be a tf.LayersModel whose inputs have known lengths.*toGraphModel/;
    expect(() => describeGraph(model)).to.throw(InvalidArgumentError, wanted);
    const unknown = tf.sequential();
    expect(() => describeGraph(unknown)).to.throw(InvalidArgumentError, 'knows its inputs');
    const error = await rejection(calibrate(model, []));
    expect(error).to.be.instanceOf(InvalidArgumentError).with.property('op', 'calibrate');
    model.dispose();
  });
});

function thrown(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('Nothing was thrown.');
}
