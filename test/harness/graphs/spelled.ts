import { attr } from '../../../src/graph/attrs.js';
import type { Ref } from '../../../src/graph/ir.js';
import type { Role } from '../../../src/index.js';
import { Kit, type ZooGraph } from './kit.js';
import { norm, silu } from './layers.js';
import { randomTensor } from './tensors.js';

/** How a block's products are written, as converters of other frameworks do. */
export const PRODUCT_FORMS = [
  'heads', // bnd,dhk->bhnk with a bias [h, 1, k] behind it, and bhnk,hkd->bnd
  'stacked', // bnd,dchk->cbhnk, unpacked, and bihk,hkd->bid
  'weightsFirst', // dhk,bnd->bhnk, and kdh,bhnk->bnd
  'channelsFirst', // bdn,dhk->bnhk, and bnhk,hkd->bdn
  'ellipsis', // ...nd,dhk->...nhk
  'plain', // bnd,df->bnf
] as const;

/** How the softmax is written. */
export const SOFTMAX_FORMS = [
  'op',
  'keepDims', // exp(x − max x) / Σ
  'jax', // −∞ ∨ max x, reshaped, a stopped gradient
  'expanded', // ExpandDims, and BroadcastTo
  'reciprocal', // times one over the sum
  'noMaximum', // exp(x) / Σ exp(x)
] as const;

/** How the MLP's linears are written: as _FusedMatMul, with this bias. */
export const BIAS_FORMS = ['vector', 'row', 'turned', 'computed'] as const;

export interface SpelledSpec {
  readonly products: (typeof PRODUCT_FORMS)[number];
  readonly softmax: (typeof SOFTMAX_FORMS)[number];
  readonly bias: (typeof BIAS_FORMS)[number];
}

const [TOKENS, D, HEADS, K] = [5, 12, 2, 6];

/** Linears of attention by role, in the order of the graph. */
export function spelledRoles({ products, bias }: SpelledSpec): Role[] {
  const qkv: Role[] =
    products === 'stacked' ? ['attention.qkv'] : ['attention.q', 'attention.k', 'attention.v'];
  // a product of two computed tensors stands behind each of them
  const rest: Role[] = bias === 'computed' ? ['other', 'final'] : ['mlp.in', 'mlp.out'];
  return [...qkv, 'attention.out', ...rest];
}

/** One block on tokens [batch, 5, 12], an open batch, and what is read in its normal form. */
export function spelledBlock(spec: SpelledSpec): ZooGraph {
  const k = new Kit(5);
  const latent = k.input([-1, TOKENS, D]);
  const x = k.node('Softplus', [latent]);
  const attended = k.add(x, attention(k, norm(k, x, D, 'rsqrt'), spec));
  const y = k.add(attended, mlp(k, norm(k, attended, D, 'rsqrt'), spec));
  return {
    artifacts: k.graph.build([y]),
    expected: k.expected,
    tokens: [TOKENS],
    inputs: (batch, tokens, seed) => ({ [latent]: randomTensor([batch, tokens, D], seed) }),
  };
}

function attention(k: Kit, x: Ref, { products, softmax }: SpelledSpec): Ref {
  const [q, key, v] = projections(k, x, products);
  const scores = k.mul(k.einsum('bhnk,bhmk->bhnm', q, key), k.scalar(1 / Math.sqrt(K)));
  const mixed = k.einsum('bhnm,bhmk->bhnk', softmaxOf(k, scores, softmax), v);
  const weight = (...shape: number[]) => k.weight(shape, 1 / Math.sqrt(D));
  const turned = () => k.transpose(mixed, [0, 2, 1, 3]);
  switch (products) {
    case 'heads':
      return k.add(k.einsum('bhnk,hkd->bnd', mixed, weight(HEADS, K, D)), k.weight([D], 0.2));
    case 'stacked':
      return k.einsum('bihk,hkd->bid', turned(), weight(HEADS, K, D));
    case 'weightsFirst':
      return k.einsum('kdh,bhnk->bnd', weight(K, D, HEADS), mixed);
    case 'channelsFirst': {
      const y = k.einsum('bnhk,hkd->bdn', turned(), weight(HEADS, K, D));
      return k.transpose(y, [0, 2, 1]);
    }
    case 'ellipsis':
      return k.einsum('...nhk,hkd->...nd', turned(), weight(HEADS, K, D));
    case 'plain':
      return k.einsum('bnd,df->bnf', k.reshape(turned(), [-1, TOKENS, D]), weight(D, D));
    default:
      return products satisfies never;
  }
}

/** Queries, keys and values [batch, heads, tokens, k]. */
function projections(k: Kit, x: Ref, products: SpelledSpec['products']): [Ref, Ref, Ref] {
  const weight = (...shape: number[]) => k.weight(shape, 1 / Math.sqrt(D));
  const three = (make: () => Ref): [Ref, Ref, Ref] => [make(), make(), make()];
  switch (products) {
    case 'heads':
      return three(() => {
        const y = k.einsum('bnd,dhk->bhnk', x, weight(D, HEADS, K));
        return k.add(y, k.weight([HEADS, 1, K], 0.2));
      });
    case 'stacked': {
      const all = k.einsum('bnd,dchk->cbhnk', x, weight(D, 3, HEADS, K));
      const first = k.node('Unpack', [all], { num: attr.int(3), axis: attr.int(0) });
      return [first, `${first}:1`, `${first}:2`];
    }
    case 'weightsFirst':
      return three(() => k.einsum('dhk,bnd->bhnk', weight(D, HEADS, K), x));
    case 'channelsFirst': {
      const columns = k.transpose(x, [0, 2, 1]);
      return three(() => {
        const y = k.einsum('bdn,dhk->bnhk', columns, weight(D, HEADS, K));
        return k.transpose(y, [0, 2, 1, 3]);
      });
    }
    case 'ellipsis':
      return three(() => {
        const y = k.einsum('...nd,dhk->...nhk', x, weight(D, HEADS, K));
        return k.transpose(y, [0, 2, 1, 3]);
      });
    case 'plain':
      return three(() => {
        const y = k.einsum('bnd,df->bnf', x, weight(D, D));
        return k.transpose(k.reshape(y, [-1, TOKENS, HEADS, K]), [0, 2, 1, 3]);
      });
    default:
      return products satisfies never;
  }
}

function softmaxOf(k: Kit, x: Ref, form: SpelledSpec['softmax']): Ref {
  const reduced = (op: 'Max' | 'Sum', of: Ref, keep: boolean) =>
    k.node(op, [of, k.ints([-1])], { keep_dims: attr.bool(keep) });
  const exp = (maximum: Ref) => k.node('Exp', [k.node('Sub', [x, maximum])]);
  const column = (of: Ref) => k.reshape(of, [-1, HEADS, TOKENS, 1]);
  switch (form) {
    case 'op':
      return k.node('Softmax', [x]);
    case 'keepDims': {
      const powers = exp(reduced('Max', x, true));
      return k.node('RealDiv', [powers, reduced('Sum', powers, true)]);
    }
    case 'jax': {
      const maximum = k.node('Maximum', [k.scalar(-Infinity), reduced('Max', x, false)]);
      const powers = exp(k.node('StopGradient', [column(maximum)]));
      return k.node('RealDiv', [powers, column(reduced('Sum', powers, false))]);
    }
    case 'expanded': {
      const powers = exp(k.node('ExpandDims', [reduced('Max', x, false), k.int(-1)]));
      const sums = k.node('BroadcastTo', [reduced('Sum', powers, true), k.node('Shape', [x])]);
      return k.node('RealDiv', [powers, sums]);
    }
    case 'reciprocal': {
      const powers = exp(reduced('Max', x, true));
      return k.mul(k.node('Reciprocal', [reduced('Sum', powers, true)]), powers);
    }
    case 'noMaximum': {
      const powers = k.node('Exp', [x]);
      return k.node('RealDiv', [powers, reduced('Sum', powers, true)]);
    }
    default:
      return form satisfies never;
  }
}

function mlp(k: Kit, x: Ref, { bias }: SpelledSpec): Ref {
  const hidden = silu(k, fused(k, k.reshape(x, [-1, D]), D, 2 * D, bias));
  return k.reshape(fused(k, hidden, 2 * D, D, bias), [-1, TOKENS, D]);
}

function fused(k: Kit, rows: Ref, d: number, n: number, form: SpelledSpec['bias']): Ref {
  const isTurned = form === 'turned';
  const w = k.weight(isTurned ? [n, d] : [d, n], 1 / Math.sqrt(d));
  const bias = () => k.weight(form === 'row' ? [1, n] : [n], 0.2);
  // a bias that only the run knows stands beside a linear that has none
  if (form === 'computed') {
    const plain = k.matMul(rows, w);
    return fusedNode(k, plain, identity(k, n), k.node('Relu', [bias()]), false);
  }
  return fusedNode(k, rows, w, bias(), isTurned);
}

/** The identity, as a tensor that is computed. */
function identity(k: Kit, n: number): Ref {
  const eye = Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
  return k.node('Relu', [k.constant([n, n], eye)]);
}

function fusedNode(k: Kit, a: Ref, b: Ref, bias: Ref, transposeB: boolean): Ref {
  return k.node('_FusedMatMul', [a, b, bias], {
    transpose_a: attr.bool(false),
    transpose_b: attr.bool(transposeB),
    fused_ops: attr.strings(['BiasAdd']),
    num_args: attr.int(1),
    epsilon: attr.float(0),
  });
}
