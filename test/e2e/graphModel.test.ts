import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { type AttrValue, attr } from '../../src/graph/attrs.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import {
  channelCenter,
  fakeQuant,
  hadamardTransform,
  InvalidArgumentError,
} from '../../src/index.js';
import { describeOnBackends } from '../harness/backends/onBackends.js';
import { normal } from '../harness/numbers/random.js';
import { expectNoLeak, expectNoLeakAsync } from '../harness/run/memory.js';

const D = 12;
const SCALE = normal(D, 1).map((v) => 0.5 + Math.abs(v));
const MEAN = normal(D, 2);

describeOnBackends('Graph models', () => {
  it('the ops run in a graph as they do eagerly, both outputs of ChannelCenter included', () => {
    withModel(pipeline(), (model) => {
      const x = tf.tensor3d(normal(2 * 5 * D, 3), [2, 5, D]);
      expectNoLeak(() => {
        const [quantized, mean] = model.execute(x, ['quantized', 'centered:1']) as tf.Tensor[];
        const [expected, expectedMean] = eager(x);
        expect(quantized!.arraySync()).to.deep.equal(expected!.arraySync());
        expect(mean!.arraySync()).to.deep.equal(expectedMean!.arraySync());
        tf.dispose([quantized, mean, expected, expectedMean]);
      });
      expectNoLeak(() => tf.dispose(model.predict(x)));
      x.dispose();
    });
  });

  it('executeAsync gives the same and leaks nothing', async () => {
    const model = load(pipeline());
    const x = tf.tensor3d(normal(2 * 5 * D, 3), [2, 5, D]);
    const [expected, expectedMean] = eager(x);
    await expectNoLeakAsync(async () => {
      const results = (await model.executeAsync(x, ['quantized', 'centered:1'])) as tf.Tensor[];
      expect(results[0]!.arraySync()).to.deep.equal(expected!.arraySync());
      expect(results[1]!.arraySync()).to.deep.equal(expectedMean!.arraySync());
      tf.dispose(results);
    });
    tf.dispose([x, expected, expectedMean]);
    model.dispose();
  });

  it('executeAsync runs them inside a conditional graph too', async () => {
    const graph = new GraphBuilder();
    const x = graph.placeholder('x', [-1, D]);
    const yes = graph.placeholder('yes', [], 'bool');
    graph.node('Switch', 'switch', [x, yes]);
    const rotated = graph.node('HadamardTransform', 'rotated', ['switch:1']);
    const quantized = graph.node('FakeQuant', 'quantized', ['switch:0'], { bits: attr.int(4) });
    graph.node('Merge', 'merge', [quantized, rotated]);
    const model = load(graph.build(['merge']));
    const input = tf.tensor2d(normal(2 * D, 8), [2, D]);
    await expectNoLeakAsync(async () => {
      for (const [flag, direct] of [
        [true, hadamardTransform(input)],
        [false, fakeQuant(input, { bits: 4 })],
      ] as const) {
        const condition = tf.scalar(flag, 'bool');
        const y = (await model.executeAsync({ x: input, yes: condition })) as tf.Tensor;
        expect(y.arraySync()).to.deep.equal(direct.arraySync());
        tf.dispose([condition, y, direct]);
      }
    });
    input.dispose();
    model.dispose();
  });

  it('a model can be saved, loaded and run again', async () => {
    const model = load(pipeline());
    let saved: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async (artifacts) => {
        saved = artifacts;
        return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
      }),
    );
    const again = await tf.loadGraphModel(tf.io.fromMemory(saved!));
    tf.tidy(() => {
      const x = tf.tensor3d(normal(2 * 5 * D, 4), [2, 5, D]);
      const outputs = [model, again].map((m) =>
        (m.execute(x, 'quantized') as tf.Tensor).arraySync(),
      );
      expect(outputs[0]).to.deep.equal(outputs[1]);
    });
    model.dispose();
    again.dispose();
  });

  const forms: [
    string,
    string,
    Record<string, AttrValue>,
    string[],
    (x: tf.Tensor) => tf.Tensor,
  ][] = [
    [
      'HadamardTransform without attributes',
      'HadamardTransform',
      {},
      [],
      (x) => hadamardTransform(x),
    ],
    [
      'HadamardTransform in blocks, transposed',
      'HadamardTransform',
      { transpose: attr.bool(true), blockSize: attr.int(4) },
      [],
      (x) => hadamardTransform(x, { transpose: true, blockSize: 4 }),
    ],
    [
      'a control input carries no data',
      'HadamardTransform',
      {},
      ['^scale'],
      (x) => hadamardTransform(x),
    ],
    ['ChannelCenter of x alone', 'ChannelCenter', {}, [], (x) => channelCenter(x).centered],
    [
      'ChannelCenter with a scale',
      'ChannelCenter',
      { hasScale: attr.bool(true) },
      ['scale'],
      (x) => channelCenter(x, { scale: SCALE }).centered,
    ],
    [
      'ChannelCenter with scale, mean and a control input',
      'ChannelCenter',
      { hasScale: attr.bool(true), hasMean: attr.bool(true) },
      ['scale', 'mean', '^scale'],
      (x) => channelCenter(x, { scale: SCALE, mean: MEAN }).centered,
    ],
    [
      'ChannelCenter with a mean alone',
      'ChannelCenter',
      { hasMean: attr.bool(true) },
      ['mean'],
      (x) => channelCenter(x, { mean: MEAN }).centered,
    ],
    ['FakeQuant without attributes', 'FakeQuant', {}, [], (x) => fakeQuant(x)],
    [
      'FakeQuant per group',
      'FakeQuant',
      {
        bits: attr.int(4),
        symmetric: attr.bool(true),
        granularity: attr.string('perGroup'),
        axis: attr.int(-1),
        groupSize: attr.int(4),
      },
      [],
      (x) =>
        fakeQuant(x, { bits: 4, symmetric: true, granularity: { kind: 'perGroup', groupSize: 4 } }),
    ],
    [
      'FakeQuant per channel with ranges',
      'FakeQuant',
      {
        granularity: attr.string('perChannel'),
        axis: attr.int(0),
        rangeMin: attr.floats([-1, -2]),
        rangeMax: attr.float(1),
      },
      [],
      (x) =>
        fakeQuant(x, {
          granularity: { kind: 'perChannel', axis: 0 },
          range: { min: [-1, -2], max: 1 },
        }),
    ],
  ];
  for (const [what, op, attrs, more, direct] of forms) {
    it(`${what} reads its attributes`, () => {
      const graph = new GraphBuilder();
      const inputs = [graph.placeholder('x', [2, 3, D]), ...more];
      graph.constant('scale', [D], SCALE);
      graph.constant('mean', [D], MEAN);
      graph.node(op, 'y', inputs, attrs);
      withModel(graph.build(['y']), (model) => {
        tf.tidy(() => {
          const x = tf.tensor3d(normal(6 * D, 5), [2, 3, D]);
          expect((model.predict(x) as tf.Tensor).arraySync()).to.deep.equal(direct(x).arraySync());
        });
      });
    });
  }

  const broken: [string, string, Record<string, AttrValue>, string[], string][] = [
    [
      'an unknown granularity',
      'FakeQuant',
      { granularity: attr.string('perRow') },
      ['x'],
      'attribute granularity must be one of perTensor, perChannel, perToken, perGroup, got perrow.',
    ],
    [
      'half a range',
      'FakeQuant',
      { rangeMin: attr.float(0.5) },
      ['x'],
      'attribute rangeMax must be there beside the other one, got none.',
    ],
    [
      'an attribute of another type',
      'FakeQuant',
      { bits: attr.string('four') },
      ['x'],
      'attribute bits must be a number, got "four".',
    ],
    [
      'inputs without a word what they are',
      'ChannelCenter',
      {},
      ['x', 'scale'],
      'inputs of node "y" must be x alone, got 2. ' +
        'Set hasScale, hasMean and hasMask to say what the further inputs are.',
    ],
    [
      'flags that do not fit the inputs',
      'ChannelCenter',
      { hasScale: attr.bool(true), hasMean: attr.bool(true) },
      ['x', 'scale'],
      'inputs of node "y" must be 3 tensors, got 2.',
    ],
  ];
  for (const [what, op, attrs, inputs, message] of broken) {
    it(`${what} gets a typed error`, () => {
      const graph = new GraphBuilder();
      graph.placeholder('x', [2, 3, D]);
      graph.constant('scale', [D], SCALE);
      graph.node(op, 'y', inputs, attrs);
      withModel(graph.build(['y']), (model) => {
        tf.tidy(() => {
          expect(() => model.predict(tf.zeros([2, 3, D]))).to.throw(InvalidArgumentError, message);
        });
      });
    });
  }
});

/** x → ChannelCenter (scaled) → HadamardTransform → FakeQuant: HadaNorm's way to an activation. */
function pipeline(): tf.io.ModelArtifacts {
  const graph = new GraphBuilder();
  const x = graph.placeholder('x', [-1, 5, D]);
  const scale = graph.constant('scale', [D], SCALE);
  const centered = graph.node('ChannelCenter', 'centered', [x, scale], {
    hasScale: attr.bool(true),
  });
  const rotated = graph.node('HadamardTransform', 'rotated', [centered]);
  graph.node('FakeQuant', 'quantized', [rotated], {
    bits: attr.int(4),
    granularity: attr.string('perToken'),
  });
  return graph.build(['quantized']);
}

function eager(x: tf.Tensor): tf.Tensor[] {
  return tf.tidy(() => {
    const { centered, mean } = channelCenter(x, { scale: SCALE });
    return [fakeQuant(hadamardTransform(centered), { bits: 4 }), mean];
  });
}

function load(artifacts: tf.io.ModelArtifacts): tf.GraphModel<tf.io.IOHandlerSync> {
  const model = new tf.GraphModel(tf.io.fromMemorySync(artifacts));
  model.load();
  return model;
}

/** Loads, runs the body, and checks that disposing the model leaves nothing behind. */
function withModel(
  artifacts: tf.io.ModelArtifacts,
  body: (model: tf.GraphModel<tf.io.IOHandlerSync>) => void,
): void {
  expectNoLeak(() => {
    const model = load(artifacts);
    body(model);
    model.dispose();
  });
}
