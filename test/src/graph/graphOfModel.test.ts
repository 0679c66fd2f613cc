import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit } from '../../../models/builder/dit.js';
import { seededDitWeights } from '../../../models/seeded.js';
import { HadaNormError, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { graphToArtifacts } from '../../../src/graph/artifacts.js';
import { graphOfModel, modelFromGraph } from '../../../src/graph/model.js';
import { weightOf } from '../../../src/graph/weights.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { dataOf, FILE_WEIGHTS, oddArtifacts } from '../../harness/graphs/oddArtifacts.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeak, expectNoLeakAsync } from '../../harness/run/memory.js';

const NOTHING: ReadonlyMap<string, tf.Tensor> = new Map();

const DIT = {
  inputSize: 4,
  patchSize: 2,
  channels: 2,
  hiddenSize: 16,
  depth: 1,
  numHeads: 2,
  mlpRatio: 2,
  numClasses: 3,
};

describeOnBackends('The graph of a loaded model', (backend) => {
  it('goes back to the very file, each code and string of its weights, half of a NaN too', () => {
    const artifacts = oddArtifacts();
    expectNoLeak(() => {
      const model = load(artifacts);
      const { weightData, ...rest } = graphToArtifacts(graphOfModel('test', model));
      const { weightData: _, ...expected } = artifacts;
      expect(rest).to.deep.equal(expected);
      const bytes = new Uint8Array(weightData as ArrayBuffer);
      const data = dataOf(FILE_WEIGHTS);
      const different = data.reduce((count, byte, i) => count + (byte === bytes[i] ? 0 : 1), 0);
      expect([bytes.length, different]).to.deep.equal([data.length, 0]);
      model.dispose();
    });
  });

  it('unchanged, makes a model with the same outputs that shares the weights’ memory', () => {
    expectNoLeak(() => {
      const source = ditModel();
      const before = tf.memory();
      const dataIds = tf.backend().numDataIds();
      const copy = modelFromGraph(graphOfModel('test', source), source, NOTHING);
      const after = tf.memory();
      const weights = Object.keys(source.weights).length;
      expect(after.numTensors - before.numTensors, 'handles').to.equal(weights);
      // TensorFlow's reshape makes a new handle too, on the same buffer
      const buffers = backend === 'tensorflow' ? weights : 0;
      expect(after.numDataBuffers - before.numDataBuffers, 'buffers').to.equal(buffers);
      expect(tf.backend().numDataIds() - dataIds, 'buffers of the backend').to.equal(buffers);
      expect(output(copy)).to.deep.equal(output(source));
      copy.dispose();
      source.dispose();
    });
  });

  for (const first of ['original', 'copy'] as const) {
    it(`the ${first} may be disposed first`, () => {
      expectNoLeak(() => {
        const original = ditModel();
        const copy = modelFromGraph(graphOfModel('test', original), original, NOTHING);
        const expected = output(original);
        const [early, late] = first === 'original' ? [original, copy] : [copy, original];
        early.dispose();
        expect(output(late)).to.deep.equal(expected);
        late.dispose();
      });
    });
  }

  it('a model from a graph is saved as its file was, and loads again', async () => {
    const artifacts = buildDit(DIT, seededDitWeights(DIT, 1));
    await expectNoLeakAsync(async () => {
      const original = load(artifacts);
      const copy = modelFromGraph(graphOfModel('test', original), original, NOTHING);
      const expected = output(original);
      original.dispose();
      const saved = await save(copy);
      expect(saved.modelTopology).to.deep.equal(artifacts.modelTopology);
      expect(saved.weightSpecs).to.deep.equal(artifacts.weightSpecs);
      const bytes = new Uint8Array(saved.weightData as ArrayBuffer);
      expect(bytes).to.deep.equal(new Uint8Array(artifacts.weightData as ArrayBuffer));
      const again = load({ ...saved });
      expect(output(again)).to.deep.equal(expected);
      again.dispose();
      copy.dispose();
    });
  });

  it('a copy of a copy works when both before it are gone', () => {
    expectNoLeak(() => {
      const original = ditModel();
      const expected = output(original);
      const copy = modelFromGraph(graphOfModel('test', original), original, NOTHING);
      const second = modelFromGraph(graphOfModel('test', copy), copy, NOTHING);
      original.dispose();
      copy.dispose();
      expect(output(second)).to.deep.equal(expected);
      second.dispose();
    });
  });

  it('a weight of its own takes the place of the original’s', () => {
    expectNoLeak(() => {
      const source = load(doubling());
      const graph = graphOfModel('test', source);
      const spec = { name: 'w', shape: [1], dtype: 'float32' as const };
      const weights = new Map([['w', weightOf(spec, Float32Array.of(5))]]);
      const created = new Map([['w', tf.tensor1d([5])]]);
      const changed = modelFromGraph({ ...graph, weights }, source, created);
      tf.tidy(() => {
        const x = tf.tensor1d([3]);
        const results = [source, changed].map((model) =>
          (model.predict(x) as tf.Tensor).arraySync(),
        );
        expect(results).to.deep.equal([[6], [15]]);
      });
      source.dispose();
      changed.dispose();
    });
  });

  it('weights of a model that is gone are an error that says so', () => {
    const model = load(doubling());
    const graph = graphOfModel('test', model);
    model.dispose();
    expect(() => graph.weights.get('w')!.values()).to.throw(
      HadaNormError,
      'the weight "w" is gone: the model was disposed. Load it again.',
    );
  });

  it('a model inside tidy keeps its weights', () => {
    expectNoLeak(() => {
      const source = ditModel();
      let copy: tf.GraphModel | undefined;
      tf.tidy(() => {
        copy = modelFromGraph(graphOfModel('test', source), source, NOTHING);
      });
      expect(output(copy!)).to.deep.equal(output(source));
      source.dispose();
      copy!.dispose();
    });
  });
});

describe('What is no loaded graph model', () => {
  for (const [what, make, message] of [
    ['null', () => null, 'model must be a loaded tf.GraphModel, got null.'],
    ['undefined', () => undefined, 'got undefined.'],
    ['a path', () => './model.json', 'got "./model.json".'],
    ['artifacts', () => doubling(), 'got an object with format, generatedBy, modelTopology'],
    [
      'a layers model',
      () => tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] }),
      'got a tf.LayersModel. Convert it: toGraphModel(model, exampleInputs).',
    ],
    [
      'a model that is not loaded',
      () => new tf.GraphModel(tf.io.fromMemorySync(doubling())),
      'got a GraphModel that is not loaded. Call load() first, or use tf.loadGraphModel.',
    ],
  ] as const) {
    it(`${what} gets a typed error with the way out`, () => {
      const given = make();
      expect(() => graphOfModel('op', given as never))
        .to.throw(InvalidArgumentError, message)
        .with.property('op', 'op');
      if (given instanceof tf.LayersModel) given.dispose();
    });
  }
});

function load(artifacts: tf.io.ModelArtifacts): tf.GraphModel {
  const model = new tf.GraphModel(tf.io.fromMemorySync(artifacts));
  model.load();
  return model as unknown as tf.GraphModel;
}

async function save(model: tf.GraphModel): Promise<tf.io.ModelArtifacts> {
  let saved: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'GraphDef' } };
    }),
  );
  return saved!;
}

function ditModel(): tf.GraphModel {
  return load(buildDit(DIT, seededDitWeights(DIT, 1)));
}

function output(model: tf.GraphModel): Float32Array {
  let values: Float32Array | undefined;
  tf.tidy(() => {
    const inputs = {
      latent: tf.tensor4d(normal(2 * 32, 5), [2, 4, 4, 2]),
      timestep: tf.tensor1d([0.2, 0.9]),
      label: tf.tensor1d([0, 2], 'int32'),
    };
    values = (model.predict(inputs) as tf.Tensor).dataSync() as Float32Array;
  });
  return values!;
}

/** x · w, w = [2]. */
function doubling(): tf.io.ModelArtifacts {
  const float = { type: 'DT_FLOAT' };
  return {
    format: 'graph-model',
    generatedBy: 'test',
    modelTopology: {
      node: [
        { name: 'x', op: 'Placeholder', attr: { dtype: float } },
        { name: 'w', op: 'Const', attr: { dtype: float } },
        { name: 'y', op: 'Mul', input: ['x', 'w'], attr: {} },
      ],
      versions: { producer: 1 },
    },
    weightSpecs: [{ name: 'w', shape: [1], dtype: 'float32' }],
    weightData: Float32Array.of(2).buffer,
  };
}
