import { expect } from 'chai';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import type { GraphNode } from '../../../src/graph/ir.js';
import { GraphView } from '../../../src/graph/view.js';

const viewOf = (build: (builder: GraphBuilder) => void, outputs: readonly string[]) => {
  const builder = new GraphBuilder();
  builder.placeholder('x', [-1, 2]);
  build(builder);
  return new GraphView(graphFromArtifacts(builder.build(outputs)));
};

const nameOf = (node: GraphNode | null) => node?.name ?? null;

describe('GraphView', () => {
  it('readers are those who read data, once each, in file order', () => {
    const view = viewOf(
      (b) => {
        b.node('Relu', 'first', ['x']);
        b.node('AddV2', 'twice', ['x', 'x:1']);
        b.node('Relu', 'waits', ['twice', '^x']);
      },
      ['first', 'waits'],
    );
    const names = (of: string) => view.readers(of).map(({ name }) => name);
    expect(['x', 'twice', 'first', 'nowhere'].map(names)).to.deep.equal([
      ['first', 'twice'],
      ['waits'],
      [],
      [],
    ]);
  });

  it('outputs and what others wait for must stay', () => {
    const view = viewOf(
      (b) => {
        b.node('Relu', 'awaited', ['x']);
        b.node('Relu', 'free', ['x']);
        b.node('Relu', 'out', ['free', '^awaited']);
      },
      ['out'],
    );
    const stay = ['awaited', 'free', 'out', 'nowhere'].map((name) => view.mustStay(name));
    expect(stay).to.deep.equal([true, false, true, false]);
  });

  it('the only reader reads once, and nothing else needs the value', () => {
    const view = viewOf(
      (b) => {
        b.node('Relu', 'once', ['x']);
        b.node('Mul', 'twice', ['once', 'once']);
        b.node('Relu', 'two', ['twice']);
        b.node('Shape', 'shape', ['twice']);
        b.node('Relu', 'more', ['two']);
        b.node('Relu', 'others', ['two']);
      },
      ['more', 'others', 'shape'],
    );
    const names = ['x', 'once', 'twice', 'two', 'more'];
    expect(names.map((name) => nameOf(view.onlyReader(name)))).to.deep.equal([
      'once',
      null,
      null,
      null,
      null,
    ]);
    // who asks for the shape alone does not count
    expect(nameOf(view.onlyValueReader('twice'))).to.equal('two');
  });

  it('a tensor is made by a node, of which it may be another output than the first', () => {
    const view = viewOf((b) => b.node('Relu', 'y', ['x']), ['y']);
    const refs = ['y', 'y:0', 'y:1', 'nowhere', undefined];
    expect(refs.map((ref) => nameOf(view.producer(ref)))).to.deep.equal([
      'y',
      'y',
      'y',
      null,
      null,
    ]);
    expect(refs.map((ref) => nameOf(view.node(ref)))).to.deep.equal(['y', 'y', null, null, null]);
  });

  it('a scalar is float32 of one number, in whatever shape', () => {
    const view = viewOf(
      (b) => {
        b.constant('plain', [], Float32Array.of(0.5));
        b.constant('wide', [1, 1], Float32Array.of(2));
        b.constant('two', [2], Float32Array.of(1, 2));
        b.integers('int', [3], true);
      },
      ['x'],
    );
    const values = ['plain', 'wide', 'two', 'int', 'x', undefined].map((ref) => view.scalar(ref));
    expect(values).to.deep.equal([0.5, 2, null, null, null, null]);
    expect(view.integers('int')).to.deep.equal([3]);
    expect(view.integers('x')).to.equal(null);
    expect(view.constant('two')?.shape).to.deep.equal([2]);
  });
});
