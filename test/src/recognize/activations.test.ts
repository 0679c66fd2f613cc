import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import type { Ref } from '../../../src/graph/ir.js';
import { activationBehind } from '../../../src/recognize/activations.js';
import { analyze } from '../../../src/recognize/analysis.js';
import { Kit } from '../../harness/graphs/kit.js';
import { ACTIVATION_FORMS, activation } from '../../harness/graphs/layers.js';

type Build = (k: Kit, y: Ref) => Ref;

/** What is found behind a linear [2, 6, 8] → 5 whose value `build` makes the model's output of. */
function found(build: Build, outputs: (y: Ref, out: Ref) => Ref[] = (_, out) => [out]) {
  const k = new Kit();
  const y = k.batchMatMul(k.input([2, 6, 8]), k.weight([8, 5]));
  const out = build(k, y);
  const { view, linears } = analyze(graphFromArtifacts(k.graph.build(outputs(y, out))));
  const behind = activationBehind(view, linears[0]!.linear);
  if (behind === null) return null;
  const { nodes, path, output } = behind;
  return {
    activation: behind.activation,
    nodes: nodes.length,
    path: path.length,
    isOutput: output === out,
  };
}

const KNOWN = {
  erf: 'gelu',
  tanhPow: 'geluTanh',
  tanhSquare: 'geluTanh',
  silu: 'silu',
  relu: 'relu',
};
const half = (k: Kit, x: Ref) => k.mul(x, k.scalar(0.5));

/** Ways to write them that the zoo does not have. */
const WAYS: readonly (readonly [string, string, Build])[] = [
  [
    'GELU by Erfc',
    'gelu',
    (k, x) => k.mul(half(k, x), k.node('Erfc', [k.mul(x, k.scalar(-Math.SQRT1_2))])),
  ],
  [
    'GELU by a sigmoid of twice the argument',
    'geluTanh',
    (k, x) => {
      const cube = k.mul(k.node('Pow', [x, k.scalar(3)]), k.scalar(0.044715));
      const twice = k.scalar(2 * Math.sqrt(2 / Math.PI));
      return k.mul(x, k.node('Sigmoid', [k.mul(k.add(x, cube), twice)]));
    },
  ],
  [
    'SiLU by an exponential',
    'silu',
    (k, x) => k.node('RealDiv', [x, k.add(k.scalar(1), k.node('Exp', [k.node('Neg', [x])]))]),
  ],
  ['ReLU by a maximum', 'relu', (k, x) => k.node('Maximum', [k.scalar(0), x])],
  [
    'SiLU of what an identity passes on',
    'silu',
    (k, x) => activation(k, k.node('Identity', [x]), 'silu'),
  ],
];

const OTHERS: readonly (readonly [string, Build])[] = [
  ['another function', (k, x) => k.mul(x, k.node('Sigmoid', [k.mul(x, k.scalar(1.702))]))],
  ['a leaky ReLU', (k, x) => k.node('Maximum', [k.mul(x, k.scalar(0.01)), x])],
  ['a sigmoid', (k, x) => k.node('Sigmoid', [x])],
  ['half of a GELU', (k, x) => half(k, k.mul(x, k.add(k.scalar(1), k.node('Tanh', [x]))))],
  [
    'a constant that is a vector',
    (k, x) => k.mul(x, k.node('Sigmoid', [k.mul(x, k.constant([5], new Float32Array(5).fill(1)))])),
  ],
  [
    'a constant that adds an axis',
    (k, x) => k.mul(k.node('Sigmoid', [x]), k.mul(x, k.constant([1, 1, 1, 1], Float32Array.of(1)))),
  ],
  ['a gate from elsewhere', (k, x) => k.mul(x, k.node('Sigmoid', [k.input([2, 6, 5])]))],
  ['a softmax', (k, x) => k.node('Softmax', [x])],
  ['nothing', (_, x) => x],
];

describe('The activation behind a linear', () => {
  before(() => tf.setBackend('cpu'));

  for (const form of ACTIVATION_FORMS) {
    it(`is seen as it is written in the zoo: ${form}`, () => {
      const behind = found((k, y) => activation(k, y, form));
      expect([behind?.activation, behind?.isOutput]).to.deep.equal([KNOWN[form], true]);
    });

    it(`is seen behind a bias and two reshapes: ${form}`, () => {
      const reshaped: Build = (k, y) => k.reshape(k.reshape(y, [12, 5]), [3, 4, 5]);
      const behind = found((k, y) =>
        activation(k, reshaped(k, k.add(y, k.constant([5], new Float32Array(5)))), form),
      );
      const { activation: name, path, isOutput } = behind!;
      expect([name, path, isOutput]).to.deep.equal([KNOWN[form], 2, true]);
    });
  }

  for (const [what, name, build] of WAYS) {
    it(`is seen by what it computes: ${what}`, () => {
      expect(found(build)?.activation).to.equal(name);
    });
  }

  for (const [what, build] of OTHERS) {
    it(`is none where there is ${what}`, () => {
      expect(found(build)).to.equal(null);
    });
  }

  it('is seen where a gate multiplies it, which is not part of it', () => {
    const behind = found((k, y) => k.mul(activation(k, y, 'silu'), k.input([2, 6, 5])));
    expect(behind).to.deep.equal({ activation: 'silu', nodes: 2, path: 0, isOutput: false });
  });

  it('is none where something else reads the linear, or what is in between', () => {
    const twice: Build = (k, y) => k.add(activation(k, y, 'erf'), k.node('Square', [y]));
    expect(found(twice)).to.equal(null);
    const inside: Build = (k, y) => {
      const sigmoid = k.node('Sigmoid', [y]);
      return k.add(k.mul(y, sigmoid), k.mul(sigmoid, k.input([2, 6, 5])));
    };
    expect(found(inside)).to.equal(null);
    const shape: Build = (k, y) => k.reshape(activation(k, y, 'relu'), [-1]);
    expect(found(shape)?.activation).to.equal('relu');
    const shapeOf: Build = (k, y) =>
      k.node('Reshape', [activation(k, y, 'relu'), k.node('Shape', [y])]);
    expect(found(shapeOf)).to.equal(null);
  });

  it('is none where the linear is an output, or waited for', () => {
    const gelu: Build = (k, y) => activation(k, y, 'erf');
    expect(found(gelu, (y, out) => [y, out])).to.equal(null);
    const waiting: Build = (k, y) => k.node('Identity', [activation(k, y, 'relu'), `^${y}`]);
    expect(found(waiting)).to.equal(null);
  });

  it('may be the output itself, and be waited for', () => {
    const waiting: Build = (k, y) => {
      const relu = activation(k, y, 'relu');
      return k.node('Identity', [relu, `^${relu}`]);
    };
    expect(found(waiting)?.activation).to.equal('relu');
  });
});
