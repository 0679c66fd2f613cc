import { expect } from 'chai';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import { segmentsOf } from '../../../src/graph/segments.js';

/** x → four products with a bypass of two, and a table that two of them read. */
function chain() {
  const b = new GraphBuilder();
  const table = b.constant('table', [2, 2], Float32Array.of(1, 2, 3, 4));
  const first = b.matMul('p0', b.placeholder('x', [-1, 2]), table);
  const [left, right] = [b.node('Neg', 'left', [first]), b.node('Abs', 'right', [first])];
  const second = b.matMul('p1', left, b.constant('w1', [2, 2], Float32Array.of(5, 6, 7, 8)));
  const sum = b.node('Add', 'sum', [second, right]);
  const third = b.matMul('p2', sum, b.constant('w2', [2, 2], Float32Array.of(9, 8, 7, 6)));
  const parts = b.node('Unpack', 'parts', [b.matMul('p3', third, table)]);
  b.node('Add', 'out', [parts, `${parts}:1`]);
  return graphFromArtifacts(b.build(['out', 'sum']));
}

const parts = (most: number) => segmentsOf(chain(), () => 16, most);
const ran = (at: ReturnType<typeof parts>) =>
  at.map(({ graph: { nodes } }) =>
    [...nodes.values()]
      .filter(({ op }) => op !== 'Const' && op !== 'Placeholder')
      .map(({ name }) => name),
  );

describe('Segments of a graph', () => {
  it('of all its bytes are one, which gives what the graph gives', () => {
    const [whole, ...others] = parts(1000);
    expect(others).to.be.empty;
    expect(whole!.given.size).to.equal(0);
    expect(whole!.gives).to.have.members(['out', 'sum']);
    expect(whole!.graph.inputs).to.deep.equal(['x']);
  });

  it('end where the fewest tensors go on, and together are the graph', () => {
    expect(ran(parts(16))).to.deep.equal([
      ['p0'],
      ['left', 'right', 'p1', 'sum'],
      ['p2'],
      ['p3', 'parts', 'out'],
    ]);
    expect(ran(parts(32)).flat()).to.deep.equal(ran(parts(1000)).flat());
  });

  it('are given what parts before them give, each by one name, and bring their weights', () => {
    const segments = parts(16);
    const made = new Set<string>();
    for (const { graph, given, gives } of segments) {
      for (const [ref, name] of given) {
        expect(made.has(ref), ref).to.equal(true);
        expect(graph.nodes.get(name)!.op).to.equal('Placeholder');
      }
      for (const ref of gives) made.add(ref);
    }
    expect(segments.map(({ graph }) => [...graph.weights.keys()])).to.deep.equal([
      ['table'],
      ['w1'],
      ['w2'],
      ['table'],
    ]);
    expect(segments.map(({ gives }) => gives)).to.deep.equal([['p0'], ['sum'], ['p2'], ['out']]);
  });

  it('of one byte have a node with weights each', () => {
    expect(ran(parts(1)).filter((names) => names.some((name) => /^p\d/.test(name)))).to.have.length(
      4,
    );
  });
});
