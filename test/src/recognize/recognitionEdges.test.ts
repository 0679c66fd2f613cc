import { expect } from 'chai';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import { attr } from '../../../src/graph/attrs.js';
import type { Ref } from '../../../src/graph/ir.js';
import type { Role } from '../../../src/index.js';
import { analyze, type PlacedLinear } from '../../../src/recognize/analysis.js';
import { attend, PLAIN_ATTENTION, project } from '../../harness/graphs/attention.js';
import { Kit, type Tokens } from '../../harness/graphs/kit.js';
import { norm, silu } from '../../harness/graphs/layers.js';
import { rowLinear, tokenLinear } from '../../harness/graphs/linears.js';

const D = 12;
const TOKENS = 4;

/** The linears of a graph that `make` builds on tokens [batch, 4, 12], by product. */
function linearsOf(make: (k: Kit, x: Tokens) => Ref): Map<string, PlacedLinear> {
  const k = new Kit(3);
  const x = { ref: k.input([-1, TOKENS, D]), count: TOKENS, d: D };
  const artifacts = k.graph.build([make(k, x)]);
  const { linears } = analyze(graphFromArtifacts(artifacts));
  return new Map(linears.map((placed) => [placed.linear.product, placed]));
}

function attention(k: Kit, x: Tokens): Tokens {
  const parts = project(k, x, x, PLAIN_ATTENTION, 'batch', 'attention');
  const out = tokenLinear(k, attend(k, parts, PLAIN_ATTENTION), D, 'attention.out', 'batch');
  return { ...x, ref: k.add(x.ref, out.ref) };
}

/** The role of the product that `mark` was called with. */
function roleOf(make: (k: Kit, x: Tokens, mark: (product: Ref) => Ref) => Ref): Role | null {
  let marked = '';
  const linears = linearsOf((k, x) =>
    make(k, x, (product) => {
      marked = product;
      return product;
    }),
  );
  return linears.get(marked)?.role ?? null;
}

describe('Recognition at its edges', () => {
  it('the angles of a sine are no embedding', () => {
    const role = roleOf((k, x, mark) => {
      const times = k.input([-1, 1]);
      const angles = mark(k.matMul(times, k.weight([1, 6], 3)));
      const waves = k.concat([k.node('Cos', [angles]), k.node('Sin', [angles])], 1);
      const condition = silu(k, rowLinear(k, waves, 12, D, 'embedding', 'fused'));
      const shift = k.node('ExpandDims', [condition, k.int(1)]);
      return attention(k, { ...x, ref: k.add(x.ref, shift) }).ref;
    });
    expect(role).to.equal('other');
  });

  it('keys that are the tokens themselves leave the linears before them alone', () => {
    const linears = linearsOf((k, x) => {
      const first = attention(k, { ...x, ref: norm(k, x.ref, D, 'rsqrt') });
      const second = { ...first, ref: norm(k, first.ref, D, 'rsqrt') };
      const q = tokenLinear(k, second, D, 'attention.q', 'batch');
      const mixed = attend(k, { q, k: second, v: second }, PLAIN_ATTENTION);
      return k.add(first.ref, tokenLinear(k, mixed, D, 'attention.out', 'batch').ref);
    });
    const roles = [...linears.values()].map(({ role }) => role);
    expect(roles).to.deep.equal(['attention.qkv', 'attention.out', 'attention.q', 'attention.out']);
  });

  it('a new axis by a slice keeps one row per sample', () => {
    const role = roleOf((k, x, mark) => {
      const condition = k.input([-1, D]);
      const rows = mark(k.matMul(condition, k.weight([D, D])));
      const slice = [rows, k.ints([0, 0, 0]), k.ints([0, 0, 0]), k.ints([1, 1, 1])];
      const scale = k.node('StridedSlice', slice, {
        begin_mask: attr.int(5),
        end_mask: attr.int(5),
        new_axis_mask: attr.int(2),
      });
      const normed = norm(k, x.ref, D, 'rsqrt');
      return attention(k, { ...x, ref: k.mul(normed, k.add(scale, k.scalar(1))) }).ref;
    });
    expect(role).to.equal('modulation');
  });

  it('a matrix with a leading axis that its input lacks is no linear', () => {
    const role = roleOf((k, x, mark) => {
      const rows = k.reshape(x.ref, [-1, D]);
      return mark(k.batchMatMul(rows, k.weight([1, D, 8])));
    });
    expect(role).to.equal(null);
  });

  it('an activation that tfjs would leave out is no linear', () => {
    const role = roleOf((k, x, mark) => {
      const attrs = { fused_ops: attr.strings(['Relu']), num_args: attr.int(0) };
      const rows = k.reshape(x.ref, [-1, D]);
      return mark(k.node('_FusedMatMul', [rows, k.weight([D, 8])], attrs));
    });
    expect(role).to.equal(null);
  });

  it('what is added to the rows of a sample is no bias', () => {
    const linears = linearsOf((k, x) => {
      const product = k.batchMatMul(x.ref, k.weight([D, 8]));
      return k.add(product, k.weight([TOKENS, 8]));
    });
    expect([...linears.values()].map(({ linear }) => linear.bias)).to.deep.equal([null]);
  });

  it('rows split and joined along their samples have no tokens to be centered over', () => {
    const linears = linearsOf((k, x) => {
      const rows = k.reshape(x.ref, [-1, D]);
      const [a] = k.split(k.node('Relu', [rows]), 0, 2);
      return rowLinear(k, a!, D, 8, 'other', 'matMul');
    });
    expect([...linears.values()].map(({ site }) => site.tokens)).to.deep.equal(['none']);
  });

  it('q, k and v that read one tensor by different paths share a site', () => {
    const linears = linearsOf((k, x) => {
      const normed = { ...x, ref: norm(k, x.ref, D, 'rsqrt') };
      const q = tokenLinear(k, normed, D, 'attention.q', 'fused');
      const key = tokenLinear(k, normed, D, 'attention.k', 'batch');
      const v = tokenLinear(k, normed, D, 'attention.v', 'keras');
      const mixed = attend(k, { q, k: key, v }, PLAIN_ATTENTION);
      return tokenLinear(k, mixed, D, 'attention.out', 'batch').ref;
    });
    const keys = [...linears.values()].slice(0, 3).map(({ key }) => key);
    expect(new Set(keys).size).to.equal(1);
  });
});
