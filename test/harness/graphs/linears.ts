import { attr } from '../../../src/graph/attrs.js';
import type { Ref } from '../../../src/graph/ir.js';
import type { Role } from '../../../src/index.js';
import type { Expected, Kit, Tokens } from './kit.js';

/** The ways to write a linear on tokens [batch, tokens, d]. */
export const LINEAR_FORMS = [
  'fused', // Reshape → _FusedMatMul with BiasAdd → Reshape
  'fusedTurned', // the same with transpose_b
  'matMul', // Reshape → MatMul → BiasAdd → Reshape
  'keras', // tensordot: every shape computed, the bias behind the last Reshape
  'batch', // BatchMatMulV2 → AddV2
  'batchTurned', // adj_y, weights [1, n, d], a bias [1, 1, n] that comes first in the sum
  'chain', // weights and bias behind Identity, Transpose and Reshape
  'noBias',
  'einsum', // abc,cd->abd → AddV2
] as const;

export type LinearForm = (typeof LINEAR_FORMS)[number];

/** Those that run on every backend. */
export const PORTABLE_FORMS = LINEAR_FORMS.filter((form) => form !== 'einsum');

const RELU = ['BiasAdd', 'Relu'];

/** x W + b on tokens. */
export function tokenLinear(k: Kit, x: Tokens, n: number, role: Role, form: LinearForm): Tokens {
  const { ref, count, d } = x;
  const expected: Expected = { role, d, n, bias: form !== 'noBias' && form !== 'keras' };
  const done = (y: Ref): Tokens => ({ ref: y, count, d: n });
  const noted = (y: Ref) => k.expect(y, expected);
  const bias = () => k.weight([n], 0.2);
  switch (form) {
    case 'batch':
      return done(k.add(noted(k.batchMatMul(ref, k.weight([d, n]))), bias()));
    case 'batchTurned': {
      const w = k.weight([1, n, d], 1 / Math.sqrt(d));
      return done(k.add(k.weight([1, 1, n], 0.2), noted(k.batchMatMul(ref, w, true))));
    }
    case 'einsum':
      return done(k.add(noted(k.einsum('abc,cd->abd', ref, k.weight([d, n]))), bias()));
    case 'keras':
      return done(kerasDense(k, x, n, noted));
    default:
      return done(backToTokens(k, rowLinear(k, k.reshape(ref, [-1, d]), d, n, role, form), x, n));
  }
}

/** x W + b on rows [any, d]. */
export function rowLinear(
  k: Kit,
  rows: Ref,
  d: number,
  n: number,
  role: Role,
  form: LinearForm,
): Ref {
  const noted = (y: Ref, bias = true) => k.expect(y, { role, d, n, bias });
  const bias = () => k.weight([n], 0.2);
  switch (form) {
    case 'fused':
    case 'fusedTurned':
      return noted(fused(k, rows, d, n, form === 'fusedTurned', ['BiasAdd']));
    case 'chain': {
      const transposed = k.transpose(k.weight([n, d], 1 / Math.sqrt(d)), [1, 0]);
      const w = k.reshape(k.node('Identity', [transposed]), [d, -1]);
      return k.node('BiasAdd', [noted(k.matMul(rows, w)), k.node('Identity', [bias()])]);
    }
    case 'noBias':
      return noted(k.matMul(rows, k.weight([d, n])), false);
    case 'batchTurned':
      return k.add(bias(), noted(k.matMul(rows, k.weight([n, d], 1 / Math.sqrt(d)), true)));
    case 'einsum':
      return k.add(noted(k.einsum('ab,bc->ac', rows, k.weight([d, n]))), bias());
    default:
      return k.node('BiasAdd', [noted(k.matMul(rows, k.weight([d, n]))), bias()]);
  }
}

/** A linear with its ReLU in the same node. */
export function fusedReluLinear(k: Kit, x: Tokens, n: number, role: Role): Tokens {
  const rows = k.reshape(x.ref, [-1, x.d]);
  const y = k.expect(fused(k, rows, x.d, n, false, RELU), { role, d: x.d, n, bias: true });
  return { ref: backToTokens(k, y, x, n), count: x.count, d: n };
}

function fused(
  k: Kit,
  rows: Ref,
  d: number,
  n: number,
  transposed: boolean,
  ops: readonly string[],
): Ref {
  const w = k.weight(transposed ? [n, d] : [d, n], 1 / Math.sqrt(d));
  return k.node('_FusedMatMul', [rows, w, k.weight([n], 0.2)], {
    transpose_a: attr.bool(false),
    transpose_b: attr.bool(transposed),
    fused_ops: attr.strings(ops),
    num_args: attr.int(1),
    epsilon: attr.float(0),
  });
}

function backToTokens(k: Kit, rows: Ref, like: Tokens, n: number): Ref {
  return like.count > 0
    ? k.reshape(rows, [-1, like.count, n])
    : k.reshapeLike(rows, like.ref, 1, [n]);
}

/** Keras's Dense on rank 3: tf.tensordot, which computes both shapes with Gather, Prod and Pack. */
function kerasDense(k: Kit, x: Tokens, n: number, noted: (y: Ref) => Ref): Ref {
  const { ref, d } = x;
  const shape = k.node('Shape', [ref]);
  const free = k.node('GatherV2', [shape, k.ints([0, 1]), k.int(0)]);
  const inner = k.node('GatherV2', [shape, k.ints([2]), k.int(0)]);
  const size = (dims: Ref) => k.node('Prod', [dims, k.ints([0])], { keep_dims: attr.bool(false) });
  const flat = k.node('Pack', [size(free), size(inner)], { N: attr.int(2), axis: attr.int(0) });
  const product = noted(k.matMul(k.node('Reshape', [ref, flat]), k.weight([d, n])));
  const whole = k.node('Reshape', [product, k.concat([free, k.ints([n])], 0)]);
  return k.node('BiasAdd', [whole, k.weight([n], 0.2)]);
}
