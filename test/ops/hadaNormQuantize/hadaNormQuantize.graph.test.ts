import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { type AttrValue, attr, stringAttr } from '../../../src/graph/attrs.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import {
  HadaNormError,
  type HadaNormQuantizeOptions,
  hadaNormQuantize,
  quantizedMatMul,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const [SAMPLES, TOKENS, D, N, RANK] = [2, 3, 12, 6, 2];
const VECTORS = {
  scale: { shape: [D], values: normal(D, 1).map((v) => 1 + v * v) },
  mean: { shape: [D], values: normal(D, 2) },
  basis: { shape: [RANK, D], values: normal(RANK * D, 3) },
} as const;
type Name = keyof typeof VECTORS;

const FLAGS = { scale: 'hasScale', mean: 'hasMean', basis: 'hasBasis' } as const;
const BASE = {
  bits: attr.int(5),
  groupSize: attr.int(8),
  blockSize: attr.int(4),
  symmetric: attr.bool(true),
};
const EAGER = { bits: 5, groupSize: 8, blockSize: 4, symmetric: true };

describeOnBackends('HadaNormQuantize in a graph', () => {
  for (const center of ['none', 'static', 'dynamic'] as const) {
    for (const names of namesFor(center)) {
      const what = names.length === 0 ? 'x alone' : names.join(', ');
      it(`center ${center}, ${what}, with control inputs: as it is eagerly`, () => {
        expectNoLeak(() => {
          // tfjs lower-cases string attributes, converters write them as they like
          const attrs = { ...BASE, centre: attr.string(center.toUpperCase()) };
          const outputs = outputsOf(names, attrs, ['^scale']);
          const given = Object.fromEntries(names.map((name) => [name, vector(name)]));
          const eager = eagerOutputs({ ...EAGER, center, ...given });
          expect(outputs).to.deep.equal(eager);
          tf.dispose(given);
        });
      });
    }
  }

  it('no attributes mean the defaults', () => {
    expectNoLeak(() => {
      expect(outputsOf([], {}, [])).to.deep.equal(eagerOutputs({}));
    });
  });

  it('a static range', () => {
    const attrs = { rangeMin: attr.float(-1), rangeMax: attr.float(2) };
    const range = { min: -1, max: 2 };
    expect(outputsOf([], attrs, [])).to.deep.equal(eagerOutputs({ range }));
  });

  it('its codes go into a QuantizedMatMul, with a scaled basis and an activation', () => {
    expectNoLeak(() => {
      const graph = new GraphBuilder();
      const parts = builtIn(graph, ['scale', 'mean', 'basis'], {}, []);
      const weights = graph.constant('weights', [D, N], normal(D * N, 5));
      const product = graph.constant('product', [3, N], normal(3 * N, 6));
      const steps = graph.constant('steps', [3], Float32Array.of(1, 2, 0.5));
      const inputs = ['q', weights, 'q:1', 'q:2', 'q:3', 'q:4', product, steps];
      const sizes = { d: attr.int(D), n: attr.int(N), bits: attr.int(32), groupSize: attr.int(D) };
      const flags = ['hasCodes', 'hasRest', 'hasBasis', 'hasBasisScale'];
      graph.node('QuantizedMatMul', 'y', inputs, {
        ...{
          ...sizes,
          xBits: attr.int(8),
          xGroupSize: attr.int(D),
          activation: attr.string('geluTanh'),
        },
        ...Object.fromEntries(flags.map((flag) => [flag, attr.bool(true)])),
      });
      const model = load(graph.build(['y']));
      const found = tf.tidy(() => (model.predict(x()) as tf.Tensor).arraySync());
      const expected = tf.tidy(() => {
        const vectors = Object.fromEntries(parts.map((name) => [name, vector(name)]));
        const { quantized, residual, coefficients } = hadaNormQuantize(x(), vectors);
        const codes = tf.tensor2d(normal(D * N, 5), [D, N]);
        return quantizedMatMul(
          quantized,
          { codes, bits: 32, groupSize: D, shape: [D, N] },
          {
            ...{
              residual: residual!,
              coefficients: coefficients!,
              activation: 'geluTanh' as const,
            },
            ...{
              basis: tf.tensor2d(normal(3 * N, 6), [3, N]),
              basisScale: tf.tensor1d([1, 2, 0.5]),
            },
          },
        ).arraySync();
      });
      expect(found).to.deep.equal(expected);
      model.dispose();
    });
  });

  const broken: [string, Record<string, AttrValue>, string][] = [
    [
      'more flags than inputs',
      { hasBasis: attr.bool(true) },
      'inputs of node "q" must be 2 tensors',
    ],
    ['bits as text', { bits: attr.string('five') }, 'attribute bits must be a number, got "five".'],
    [
      'half a range',
      { rangeMin: attr.float(0) },
      'attribute rangeMax must be there beside the other',
    ],
    [
      'another center',
      { centre: attr.string('mean') },
      "center must be 'none', 'static' or 'dynamic'",
    ],
  ];
  for (const [what, attrs, message] of broken) {
    it(`${what} gets a typed error`, () => {
      expectNoLeak(() => {
        const graph = new GraphBuilder();
        builtIn(graph, [], attrs, []);
        const model = load(graph.build(['q']));
        tf.tidy(() => {
          expect(() => model.predict(x())).to.throw(HadaNormError, message);
        });
        model.dispose();
      });
    });
  }
});

/** The vectors that go with a centering. */
function namesFor(center: 'none' | 'static' | 'dynamic'): Name[][] {
  if (center === 'none') return [[], ['scale']];
  if (center === 'static') return [['mean'], ['scale', 'mean']];
  return [[], ['scale'], ['mean'], ['basis'], ['scale', 'mean', 'basis'], ['scale', 'basis']];
}

function x(): tf.Tensor3D {
  return tf.tensor3d(normal(SAMPLES * TOKENS * D, 4, 0.5), [SAMPLES, TOKENS, D]);
}

function vector(name: Name): tf.Tensor {
  const { shape, values } = VECTORS[name];
  return tf.tensor(values, [...shape]);
}

/** A node q with these inputs in `graph`. */
function builtIn(
  graph: GraphBuilder,
  names: readonly Name[],
  attrs: Readonly<Record<string, AttrValue>>,
  controls: readonly string[],
): readonly Name[] {
  graph.placeholder('x', [-1, TOKENS, D]);
  for (const [name, { shape, values }] of Object.entries(VECTORS)) {
    graph.constant(name, shape, values);
  }
  const flags = Object.fromEntries(names.map((name) => [FLAGS[name], attr.bool(true)]));
  graph.node('HadaNormQuantize', 'q', ['x', ...names, ...controls], { ...flags, ...attrs });
  return names;
}

function outputsOf(
  names: readonly Name[],
  attrs: Readonly<Record<string, AttrValue>>,
  controls: readonly string[],
): unknown[] {
  const graph = new GraphBuilder();
  builtIn(graph, names, attrs, controls);
  const dynamic = stringAttr(attrs, 'centre', 'DYNAMIC') === 'DYNAMIC';
  const count = 3 + (dynamic ? 1 : 0) + (names.includes('basis') ? 1 : 0);
  const refs = Array.from({ length: count }, (_, i) => (i === 0 ? 'q' : `q:${i}`));
  const model = load(graph.build(refs));
  const outputs = tf.tidy(() =>
    (model.execute(x(), refs) as tf.Tensor[]).map((output) => output.arraySync()),
  );
  model.dispose();
  return outputs;
}

function eagerOutputs(options: HadaNormQuantizeOptions): unknown[] {
  return tf.tidy(() => {
    const { quantized, residual, coefficients } = hadaNormQuantize(x(), options);
    const { codes, scale, zeroPoint } = quantized;
    const outputs = [codes, scale, zeroPoint, residual, coefficients];
    return outputs.filter((output) => output !== null).map((output) => output.arraySync());
  });
}

function load(artifacts: tf.io.ModelArtifacts): tf.GraphModel<tf.io.IOHandlerSync> {
  const model = new tf.GraphModel(tf.io.fromMemorySync(artifacts));
  model.load();
  return model;
}
