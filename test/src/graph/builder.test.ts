import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import { half } from '../../../src/graph/encodings.js';
import { InvalidArgumentError } from '../../../src/index.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const small = () => {
  const builder = new GraphBuilder();
  builder.node('Neg', 'y', [builder.placeholder('x', [-1, 2])]);
  return builder;
};

describe('GraphBuilder from nothing', () => {
  it('refuses a dangling input, a name twice and values that do not fill their shape', () => {
    const graph = small();
    expect(() => graph.node('Neg', 'z', ['w'])).to.throw(InvalidArgumentError, 'an input of z');
    expect(() => graph.node('Neg', 'z', ['^w'])).to.throw(InvalidArgumentError, 'an input of z');
    expect(() => graph.placeholder('x', [1])).to.throw('there is a node "x" already');
    expect(() => graph.integers('y', [1])).to.throw('there is a node "y" already');
    expect(() => graph.constant('v', [2, 2], new Float32Array(3))).to.throw(
      InvalidArgumentError,
      'values of v must be 4 long, for shape [2,2], got 3',
    );
    expect(() => graph.build(['nothing'])).to.throw(InvalidArgumentError, 'the outputs');
  });

  it('what was refused leaves no trace', () => {
    const graph = small();
    const before = JSON.stringify(graph.build(['y']).modelTopology);
    expect(() => graph.placeholder('x', [1])).to.throw();
    expect(() => graph.constant('v', [2], new Float32Array(3))).to.throw();
    expect(JSON.stringify(graph.build(['y']).modelTopology)).to.equal(before);
    graph.constant('v', [2], new Float32Array(2));
  });

  it('weights are copied, of the dtype of their values, and no tensors', () => {
    expectNoLeak(() => {
      const graph = small();
      const values = Float32Array.of(1, -2);
      graph.constant('float', [2], values);
      graph.constant('int', [1, 1], Int32Array.of(7));
      graph.constant('byte', [3], Uint8Array.of(0, 200, 1));
      graph.integers('scalar', [5], true);
      graph.stored('half', [2], half(Float32Array.of(0.5, 1 / 3)));
      values.fill(9);
      expect(graph.tensors.size).to.equal(0);
      const artifacts = graph.build(['y', 'y:1']);
      const { weights, outputs } = graphFromArtifacts(artifacts);
      expect(outputs).to.deep.equal(['y']);
      const all = [...weights.values()].map(({ spec, bytes, values }) => {
        const shape = spec.shape.join('×');
        return [`${spec.dtype} ${shape}`, Array.from(values(), Number), bytes().byteLength];
      });
      expect(all).to.deep.equal([
        ['float32 2', [1, -2], 8],
        ['int32 1×1', [7], 4],
        ['bool 3', [0, 200, 1], 3],
        ['int32 ', [5], 4],
        ['float32 2', [0.5, 0.333251953125], 4],
      ]);
    });
  });

  it('a control input is one that waits', () => {
    const graph = small();
    graph.node('Identity', 'z', ['x', '^y']);
    const { controls, inputs } = graphFromArtifacts(graph.build(['z'])).nodes.get('z')!;
    expect([controls, inputs]).to.deep.equal([['y'], ['x']]);
  });
});

describe('GraphBuilder on a graph', () => {
  const on = () => new GraphBuilder(graphFromArtifacts(small().build(['y'])));

  before(async () => {
    await tf.setBackend('cpu');
  });

  it('makes names unique, unless they are taken over', () => {
    const builder = on();
    const names = [
      builder.node('Neg', 'y', ['x']),
      builder.node('Neg', 'y', ['x']),
      builder.node('Abs', 'new', ['y_1']),
      builder.node('Abs', 'other', ['x'], {}, 'y'),
    ];
    expect(names).to.deep.equal(['y_1', 'y_2', 'new', 'y']);
    expect(builder.take().map(({ name }) => name)).to.deep.equal(names);
    expect(builder.take()).to.deep.equal([]);
  });

  it('weights are tensors of the backend, which dispose gives up', () => {
    expectNoLeak(() => {
      const builder = on();
      builder.constant('w', [2], Float32Array.of(1, 2));
      builder.stored('half', [1], half(Float32Array.of(1 / 3)));
      expect([...builder.tensors.keys()]).to.deep.equal(['w', 'half']);
      expect(Array.from(builder.weights.get('w')!.values(), Number)).to.deep.equal([1, 2]);
      expect(builder.weights.get('half')!.bytes().byteLength).to.equal(2);
      builder.dispose();
    });
  });

  it('refuses an input that neither it nor the graph has', () => {
    const builder = on();
    expect(() => builder.node('Neg', 'z', ['nowhere:1'])).to.throw(InvalidArgumentError, 'of z');
    builder.node('Neg', 'z', ['y:1', '^x']);
  });
});
