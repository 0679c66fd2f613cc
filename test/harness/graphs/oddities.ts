import type * as tf from '@tensorflow/tfjs';
import { attr } from '../../../src/graph/attrs.js';
import type { Ref } from '../../../src/graph/ir.js';
import { attend, PLAIN_ATTENTION, project } from './attention.js';
import { Kit, type Tokens, type ZooGraph } from './kit.js';
import { activation, norm } from './layers.js';
import { type LinearForm, rowLinear, tokenLinear } from './linears.js';
import { randomTensor } from './tensors.js';

const D = 24;
const TOKENS = 5;

/** One attention on an input, and then whatever `tail` adds; it returns the outputs. */
function afterAttention(tail: (k: Kit, x: Tokens) => Ref[], form: LinearForm = 'batch'): ZooGraph {
  const k = new Kit(31);
  const input = k.input([-1, TOKENS, D]);
  const x = { ref: input, count: TOKENS, d: D };
  const normed = { ...x, ref: norm(k, input, D, 'rsqrt') };
  const parts = project(k, normed, normed, PLAIN_ATTENTION, form, 'attention');
  const out = tokenLinear(k, attend(k, parts, PLAIN_ATTENTION), D, 'attention.out', form);
  const outputs = tail(k, { ...x, ref: k.add(input, out.ref) });
  return {
    artifacts: k.graph.build(outputs),
    expected: k.expected,
    tokens: [TOKENS],
    inputs: (batch, tokens, seed) => ({ [input]: randomTensor([batch, tokens, D], seed) }),
  };
}

/** From fc1 to fc2 the activations are rows [batch · tokens, d]. */
export function rowsThroughMlp(): ZooGraph {
  return afterAttention((k, x) => {
    const rows = k.reshape(norm(k, x.ref, D, 'rsqrt'), [-1, D]);
    const wide = activation(k, rowLinear(k, rows, D, 48, 'mlp.in', 'matMul'), 'tanhPow');
    const narrow = rowLinear(k, wide, 48, D, 'mlp.out', 'fused');
    return [k.add(x.ref, k.reshape(narrow, [-1, TOKENS, D]))];
  });
}

/** As above with a gate: what is split and joined are rows too. */
export function rowsThroughGatedMlp(): ZooGraph {
  return afterAttention((k, x) => {
    const rows = k.reshape(norm(k, x.ref, D, 'rsqrt'), [-1, D]);
    const [gate, value] = k.split(rowLinear(k, rows, D, 96, 'mlp.in', 'fused'), 1, 2);
    const wide = k.mul(activation(k, gate!, 'silu'), value!);
    const both = k.concat([wide, k.node('Tanh', [wide])], 1);
    const narrow = rowLinear(k, both, 96, D, 'mlp.out', 'fused');
    return [k.add(x.ref, k.reshape(narrow, [-1, TOKENS, D]))];
  });
}

/** Two linears with one matrix, one of them transposed. */
export function tiedWeights(): ZooGraph {
  return afterAttention((k, x) => {
    const w = k.weight([D, 48]);
    const expected = { d: D, n: 48, bias: false };
    const up = k.expect(k.batchMatMul(norm(k, x.ref, D, 'rsqrt'), w), {
      ...expected,
      role: 'mlp.in',
    });
    const wide = k.node('Relu', [up]);
    const down = k.expect(k.batchMatMul(wide, w, true), {
      ...expected,
      d: 48,
      n: D,
      role: 'mlp.out',
    });
    return [k.add(x.ref, down)];
  });
}

/** A product that a second node reads beside its bias addition, and that is an output as well. */
export function productReadTwice(): ZooGraph {
  return afterAttention((k, x) => {
    const expected = { role: 'final', d: D, n: 8, bias: false } as const;
    const product = k.batchMatMul(norm(k, x.ref, D, 'rsqrt'), k.weight([D, 8]));
    k.expect(product, expected);
    const whole = k.add(product, k.weight([8], 0.2));
    return [k.mul(whole, product), product];
  });
}

/** Linears that are outputs themselves, one by its bias and one without, from the same tensor. */
export function linearOutputs(): ZooGraph {
  return afterAttention((k, x) => {
    const last = { ...x, ref: norm(k, x.ref, D, 'rsqrt') };
    const first = tokenLinear(k, last, 8, 'final', 'batch').ref;
    return [first, tokenLinear(k, last, 8, 'final', 'noBias').ref];
  });
}

/** Without a signature, inputs and outputs are what the graph's ends are. */
export function withoutSignature(): ZooGraph {
  const graph = linearOutputs();
  const { signature: _signature, ...artifacts } = graph.artifacts;
  return { ...graph, artifacts };
}

/**
 * Nodes that wait for others: for the product of a linear, for its bias addition, and linears that
 * wait.
 */
export function controlInputs(): ZooGraph {
  return afterAttention((k, x) => {
    const last = { ...x, ref: norm(k, x.ref, D, 'rsqrt') };
    const awaited = k.node('Neg', [x.ref]);
    const product = k.node('MatMul', [
      k.reshape(last.ref, [-1, D]),
      k.weight([D, 8]),
      `^${awaited}`,
    ]);
    k.expect(product, { role: 'final', d: D, n: 8, bias: true });
    const whole = k.node('BiasAdd', [product, k.weight([8], 0.2), `^${awaited}`]);
    const other = tokenLinear(k, last, 8, 'final', 'noBias').ref;
    return [k.node('Abs', [x.ref, `^${whole}`]), k.node('Abs', [other]), whole];
  });
}

/**
 * The input goes through one of two branches; the transformer stands behind, and a linear in one
 * branch.
 */
export function behindSwitch(): ZooGraph {
  const k = new Kit(53);
  const input = k.input([-1, TOKENS, D]);
  const mean = k.node('Mean', [input, k.ints([0, 1, 2])], { keep_dims: attr.bool(false) });
  const flag = k.node('Greater', [mean, k.scalar(0)]);
  const taken = k.node('Switch', [input, flag]);
  const merged = k.node('Merge', [k.node('Neg', [taken]), k.mul(`${taken}:1`, k.scalar(2))], {
    N: attr.int(2),
  });
  const x = { ref: merged, count: TOKENS, d: D };
  const normed = { ...x, ref: norm(k, merged, D, 'rsqrt') };
  const parts = project(k, normed, normed, PLAIN_ATTENTION, 'batch', 'attention');
  const out = tokenLinear(k, attend(k, parts, PLAIN_ATTENTION), D, 'attention.out', 'batch');
  const y = { ...x, ref: k.add(merged, out.ref) };
  const last = tokenLinear(k, { ...y, ref: norm(k, y.ref, D, 'rsqrt') }, 8, 'final', 'fused');
  return {
    artifacts: k.graph.build([last.ref]),
    expected: k.expected,
    tokens: [TOKENS],
    inputs: (batch, tokens, seed): Record<string, tf.Tensor> => ({
      [input]: randomTensor([batch, tokens, D], seed),
    }),
  };
}
