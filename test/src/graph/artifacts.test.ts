import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import fc from 'fast-check';
import { HadaNormError, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import {
  graphFromArtifacts,
  graphFromStream,
  graphToArtifacts,
  topologyArtifacts,
} from '../../../src/graph/artifacts.js';
import { weightsFromData } from '../../../src/graph/weights.js';
import { cut, dataOf, FILE_WEIGHTS, oddArtifacts } from '../../harness/graphs/oddArtifacts.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const DATA = dataOf(FILE_WEIGHTS);
const SPECS = FILE_WEIGHTS.map(({ spec }) => spec);

describe('Graph from artifacts and back', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  it('gives what it was read from: topology, weights, signature, library, metadata', () => {
    const artifacts = oddArtifacts();
    const copy = structuredClone(artifacts);
    expect(expectNoLeak(() => graphToArtifacts(graphFromArtifacts(artifacts)))).to.deep.equal(copy);
    expect(artifacts, 'what was given').to.deep.equal(copy);
  });

  it('gives it a second time from what it gave', () => {
    const once = graphToArtifacts(graphFromArtifacts(oddArtifacts()));
    expect(graphToArtifacts(graphFromArtifacts(once))).to.deep.equal(once);
  });

  it('sorts data, outputs of other nodes and control inputs; keeps what it does not know', () => {
    const { nodes, inputs, outputs } = graphFromArtifacts(oddArtifacts());
    const product = nodes.get('product')!;
    expect(product.inputs).to.deep.equal(['x', 'plain']);
    expect(product.controls).to.deep.equal(['ints', 'scalar']);
    expect(product.def).to.have.property('device', '/device:CPU:0');
    expect(nodes.get('sum')!.inputs).to.deep.equal(['parts', 'parts:2']);
    expect([inputs, outputs]).to.deep.equal([
      ['x', 'y'],
      ['loop', 'parts'],
    ]);
  });

  it('inputs and outputs are those that tfjs finds, with a signature or without', () => {
    const whole = smallArtifacts();
    const signatures = [
      whole.signature,
      undefined,
      {},
      { inputs: { a: { name: 'a:0' }, gone: { name: 'gone:0' } }, outputs: { r: { name: 'sum' } } },
      { outputs: { gone: { name: 'gone:0' } } },
    ];
    for (const signature of signatures) {
      for (const inMetadata of [false, true]) {
        const { signature: _, ...rest } = whole;
        const place = inMetadata ? { userDefinedMetadata: { signature } } : { signature };
        const artifacts = (signature === undefined ? rest : { ...rest, ...place }) as typeof rest;
        const model = new tf.GraphModel(tf.io.fromMemorySync(structuredClone(artifacts)));
        model.load();
        const graph = graphFromArtifacts(artifacts);
        const [inputs, outputs] = [model.inputs, model.outputs];
        model.dispose();
        expect(graph.inputs).to.have.members(inputs.map(({ name }) => name));
        expect(graph.outputs).to.have.members(outputs.map(({ name }) => name));
      }
    }
  });

  for (const [what, cuts] of [
    ['pieces of 4 MiB and a rest', [1 << 18, 1 << 19]],
    ['a long piece after a short one', [3]],
    ['a long piece after equal ones', [7, 14, 21]],
    ['an empty piece first', [0]],
    ['empty pieces everywhere', [0, 0, 5, 5, 600, 600, DATA.length]],
    ['a byte a piece at the start', Array.from({ length: 50 }, (_, i) => i)],
  ] as const) {
    it(`weight data in ${what} are the same weights`, () => {
      const artifacts = { ...oddArtifacts(), weightData: cut(DATA, cuts) };
      expectData(graphToArtifacts(graphFromArtifacts(artifacts)), DATA);
    });

    it(`a stream of ${what} is read to the same weights`, async () => {
      const artifacts = streamed(cut(DATA, cuts));
      const graph = await graphFromStream(artifacts);
      const again = graphToArtifacts(graph);
      expectData(again, DATA);
      expect(again).not.to.have.property('getWeightStream');
    });
  }

  it('weight data cut anywhere are the same weights', () => {
    const weights = FILE_WEIGHTS.filter(({ bytes }) => bytes.length < 1000);
    const data = dataOf(weights);
    const specs = weights.map(({ spec }) => spec);
    fc.assert(
      fc.property(fc.array(fc.nat(data.length), { maxLength: 12 }), (cuts) => {
        const pieces = cut(
          data,
          cuts.sort((a, b) => a - b),
        );
        const read = [...weightsFromData(specs, pieces).values()];
        read.forEach(({ bytes }, i) => {
          expect(new Uint8Array(bytes())).to.deep.equal(weights[i]!.bytes);
        });
      }),
    );
  });

  it('a stream of parts of buffers, as fetch gives them, is read by their bytes', async () => {
    const parts = [DATA.subarray(0, 1000), DATA.subarray(1000)];
    const graph = await graphFromStream(streamed(parts as never));
    expectData(graphToArtifacts(graph), DATA);
  });

  it('artifacts without a stream are read as they are', async () => {
    expectData(graphToArtifacts(await graphFromStream(oddArtifacts())), DATA);
  });

  it('weight data are not read to be left out of a topology', () => {
    const artifacts = Object.defineProperty({ ...oddArtifacts() }, 'weightData', {
      enumerable: true,
      get: () => expect.fail('the weights were encoded'),
    });
    const topology = topologyArtifacts(graphFromArtifacts(artifacts, new Map()));
    expect(topology).not.to.have.property('weightData');
  });

  for (const [what, topology, message] of [
    ['a layers model', { model_config: {} }, 'must be a graph with nodes'],
    ['no topology', undefined, 'got none. Convert a layers model with tensorflowjs_converter'],
    ['null', null, 'got null.'],
    ['a topology as bytes', new ArrayBuffer(8), 'must be a graph with nodes (a tf.GraphModel)'],
  ] as const) {
    it(`${what} gets a typed error with the way out`, () => {
      const artifacts = { ...oddArtifacts(), modelTopology: topology } as tf.io.ModelArtifacts;
      expect(() => graphFromArtifacts(artifacts)).to.throw(InvalidArgumentError, message);
      expect(() => graphFromArtifacts(artifacts)).to.throw('--output_format=tfjs_graph_model');
    });
  }

  it('two nodes of one name, or two weights, get a typed error that names them', () => {
    const artifacts = smallArtifacts();
    const { node } = artifacts.modelTopology as { node: object[] };
    const twice = { ...artifacts, modelTopology: { node: [...node, node[0]] } };
    expect(() => graphFromArtifacts(twice)).to.throw(HadaNormError, 'two nodes named "a"');
    const specs = [SPECS[0]!, SPECS[0]!];
    expect(() => weightsFromData(specs, DATA.buffer)).to.throw(
      HadaNormError,
      'two weights named "plain"',
    );
  });
});

function expectData({ weightData, weightSpecs }: tf.io.ModelArtifacts, data: Uint8Array): void {
  // Buffer.compare is fast where deep equality walks half a million numbers
  expect(Buffer.compare(new Uint8Array(weightData as ArrayBuffer), data)).to.equal(0);
  expect(weightSpecs).to.deep.equal(SPECS);
}

function streamed(chunks: readonly ArrayBuffer[]): tf.io.ModelArtifacts {
  const { weightData: _, ...rest } = oddArtifacts();
  const getWeightStream = () =>
    new ReadableStream<ArrayBuffer>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk);
        controller.close();
      },
    });
  return { ...rest, getWeightStream };
}

/** What tfjs can load: a + w, and a weight that nobody reads. */
function smallArtifacts(): tf.io.ModelArtifacts {
  const float = { type: 'DT_FLOAT' };
  const node = [
    { name: 'a', op: 'Placeholder', attr: { dtype: float } },
    { name: 'b', op: 'Placeholder', attr: { dtype: float } },
    { name: 'w', op: 'Const', attr: { dtype: float } },
    { name: 'unread', op: 'Const', attr: { dtype: float } },
    { name: 'sum', op: 'AddV2', input: ['a', 'w'], attr: {} },
    { name: 'other', op: 'AddV2', input: ['b', 'w', '^sum'], attr: {} },
  ];
  return {
    modelTopology: { node, versions: { producer: 1 } },
    weightSpecs: ['w', 'unread'].map((name) => ({ name, shape: [1], dtype: 'float32' })),
    weightData: Float32Array.of(1, 2).buffer,
    signature: { inputs: { a: { name: 'a:0' } }, outputs: { one: { name: 'sum:0' } } },
  };
}
