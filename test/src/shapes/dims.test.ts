import { expect } from 'chai';
import { type Dim, product } from '../../../ops/numerics/lengths.js';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import { attr } from '../../../src/graph/attrs.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import { type DimsOf, dimsInference, openShape } from '../../../src/shapes/dims.js';
import { shapesOf } from '../../../src/shapes/shapes.js';

/** On x [?, ?, 8] and t [?, 8]: what is made of them, and the lengths of that. */
function lengths(build: (g: GraphBuilder) => string): {
  dims: readonly Dim[] | null;
  x: readonly Dim[];
  t: readonly Dim[];
  dimsOf: DimsOf;
} {
  const g = new GraphBuilder();
  g.placeholder('x', [-1, -1, 8]);
  g.placeholder('t', [-1, 8]);
  const ref = build(g);
  const dimsOf = dimsInference(graphFromArtifacts(g.build(['x', 't', ref])));
  return { dims: dimsOf(ref), x: dimsOf('x')!, t: dimsOf('t')!, dimsOf };
}

const ints = (g: GraphBuilder, name: string, values: readonly number[]) =>
  g.constant(name, [values.length], Int32Array.from(values));

const scalar = (g: GraphBuilder, name: string, value: number) =>
  g.constant(name, [], Int32Array.from([value]));

describe('Lengths by name', () => {
  it('open lengths of inputs are told apart, and read as −1', () => {
    const { x, t, dimsOf } = lengths((g) => g.node('Relu', 'y', ['x']));
    expect(new Set([x[0], x[1], t[0]])).to.have.property('size', 3);
    expect([x[2], t[1]]).to.deep.equal([8, 8]);
    expect(dimsOf('y')).to.deep.equal(x);
    expect(shapesOf(dimsOf)('y')).to.deep.equal([-1, -1, 8]);
    expect([dimsOf('gone'), shapesOf(dimsOf)('gone')]).to.deep.equal([null, null]);
  });

  it('a transposed, split, sliced, joined tensor keeps those that are not touched', () => {
    const { dims, x } = lengths((g) => {
      const turned = g.node('Transpose', 'turned', ['x', ints(g, 'order', [1, 0, 2])]);
      const parts = g.node('Split', 'parts', [scalar(g, 'last', 2), turned], {
        num_split: attr.int(2),
      });
      const part = g.node('Slice', 'part', [
        ...[`${parts}:1`, ints(g, 'begin', [0, 0, 1]), ints(g, 'size', [-1, -1, 3])],
      ]);
      return g.node('ConcatV2', 'y', [part, part, scalar(g, 'axis', 2)], { N: attr.int(2) });
    });
    expect(dims).to.deep.equal([x[1], x[0], 6]);
  });

  it('sums of tensors whose lengths differ by name have one of their own', () => {
    const { dims, x, t } = lengths((g) => g.node('AddV2', 'y', ['x', 't']));
    expect(dims!.slice(0, 1)).to.deep.equal(x.slice(0, 1));
    expect(dims![1]).to.be.a('string');
    expect([x[1], t[0]]).not.to.include(dims![1]);
    expect(dims![2]).to.equal(8);
  });

  it('a Reshape by a shape of shapes, and what is left of it', () => {
    const { dims, x, dimsOf } = lengths((g) => {
      const shape = g.node('Shape', 'shape', ['x'], { out_type: attr.type('int32') });
      const batch = g.node('StridedSlice', 'batch', [
        ...[shape, ints(g, 'b', [0]), ints(g, 'e', [1]), ints(g, 's', [1])],
      ]);
      const wanted = g.node('ConcatV2', 'wanted', [
        ...[batch, ints(g, 'rest', [-1, 4]), scalar(g, 'axis', 0)],
      ]);
      g.node('Reshape', 'rows', ['x', ints(g, 'two', [-1, 8])]);
      return g.node('Reshape', 'y', ['x', wanted]);
    });
    expect(dims).to.deep.equal([x[0], product([x[1]!, 2]), 4]);
    expect(dimsOf('rows')).to.deep.equal([product(x.slice(0, 2)), 8]);
    expect(openShape(dimsOf('rows')!)).to.deep.equal([-1, 8]);
    expect(openShape(dims!)).to.equal(null);
  });

  it('a number that follows from names is a number', () => {
    const { dims, dimsOf } = lengths((g) => {
      const shape = g.node('Shape', 'shape', ['t'], { out_type: attr.type('int32') });
      const rows = g.node('StridedSlice', 'n', [
        ...[shape, ints(g, 'b', [0]), ints(g, 'e', [1]), ints(g, 's', [1])],
      ]);
      const wanted = g.node('ConcatV2', 'wanted', [
        ...[rows, ints(g, 'rest', [-1, 2]), scalar(g, 'axis', 0)],
      ]);
      return g.node('Reshape', 'y', ['t', wanted]);
    });
    expect(dims!.slice(1)).to.deep.equal([4, 2]);
    expect(shapesOf(dimsOf)('y')).to.deep.equal([-1, 4, 2]);
  });

  it('products and equations take rows, columns and samples from their operands', () => {
    const { dims, x } = lengths((g) => {
      const scores = g.node('BatchMatMulV2', 'scores', ['x', 'x'], {
        ...{ adj_x: attr.bool(false), adj_y: attr.bool(true) },
      });
      return g.node('Einsum', 'y', [scores, 'x'], { equation: attr.string('bqk,bkc->cqb') });
    });
    expect(dims).to.deep.equal([8, x[1], x[0]]);
  });

  it('the ops of this package, all outputs of theirs', () => {
    const { dimsOf, x } = lengths((g) => {
      g.node('HadaNormQuantize', 'codes', ['x'], { groupSize: attr.int(5) });
      g.node('ChannelCenter', 'centered', ['x']);
      const outputLayout = attr.string('tbc');
      g.node('ScaledDotProductAttention', 'mixed', ['x', 'x', 'x'], { outputLayout });
      return g.node('QuantizedMatMul', 'y', ['x', 'x'], { bits: attr.int(32), n: attr.int(3) });
    });
    const [batch, tokens] = x as [Dim, Dim];
    expect(dimsOf('codes')).to.deep.equal(x);
    expect(dimsOf('codes:1')).to.deep.equal([batch, tokens, 2]);
    expect(dimsOf('codes:2')).to.deep.equal([batch, tokens, 2]);
    expect(dimsOf('codes:3')).to.deep.equal([batch, 8]);
    expect(dimsOf('codes:4')).to.equal(null);
    expect(dimsOf('centered:1')).to.deep.equal([batch, 1, 8]);
    expect(dimsOf('mixed')).to.deep.equal([tokens, batch, 8]);
    expect(dimsOf('y')).to.deep.equal([batch, tokens, 3]);
  });
});
