import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { Activation } from '../../../ops/quantizedMatMul/contract.js';
import { type QuantizedMatMulOptions, quantizedMatMul } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { normal } from '../../harness/numbers/random.js';
import {
  D,
  N,
  packed,
  SAMPLES,
  TOKENS,
  tensor,
  weights,
} from '../../harness/ops/quantizedMatMul.js';

const RANK = 3;
const ACTIVATIONS: readonly Activation[] = ['none', 'gelu', 'geluTanh', 'silu', 'relu'];

/** Each activation, and each number of fine rows; null: rows that are not in coarse steps. */
const CASES: readonly [Activation, number | null][] = [
  ...ACTIVATIONS.map((one): [Activation, number] => [one, 2]),
  ...[null, 0, RANK].map((fine): [Activation, number | null] => ['none', fine]),
];

describeOnBackends('quantizedMatMul beside directions', () => {
  for (const [bits, codes] of [
    [5, false],
    [5, true],
    [32, false],
  ] as const) {
    for (const [activation, fine] of CASES) {
      const name = `${bits} bits${codes ? ', codes' : ''}, ${activation}, fine rows ${fine}`;
      it(name, () => expectRight(bits, codes, activation, fine));
    }
  }

  it('says what does not fit', () => {
    const given = parts(2);
    const of = (options: QuantizedMatMulOptions) => () =>
      quantizedMatMul(tensor('x'), packed(), options);
    const { along, directionWeights } = given;
    expect(of({ along })).to.throw('directionWeights must be given beside');
    expect(of({ directionWeights })).to.throw('along must be given beside');
    expect(of({ directionScale: tf.ones([3]) })).to.throw('directionWeights must be given beside');
    expect(of({ along, directionWeights })).to.throw(`along must be float32 of shape [2,3,5]`);
    expect(of({ ...given, along: tf.ones([SAMPLES, TOKENS, 2]) })).to.throw('of 2 to 4 rows');
    expect(of({ ...given, along: tf.ones([TOKENS, RANK]) })).to.throw('along must be');
    expect(of({ ...given, directionScale: tf.ones([2]) })).to.throw('directionScale must be');
    expect(of({ ...given, along: tf.ones([SAMPLES, TOKENS, RANK], 'int32') })).to.throw('along');
  });
});

/** What goes along, and its weights: in coarse steps where there is a number of fine rows. */
function parts(fine: number | null) {
  const rows = RANK + (fine ?? 0);
  return {
    along: tf.tensor(normal(SAMPLES * TOKENS * RANK, 3), [SAMPLES, TOKENS, RANK]),
    directionWeights: tf.tensor(normal(rows * N, 4), [rows, N]),
    ...(fine === null ? {} : { directionScale: tf.tensor1d(normal(rows, 5)) }),
  };
}

/** The product without an activation, and the narrow one beside it, in float64. */
function expectRight(
  bits: number,
  codes: boolean,
  activation: Activation,
  fine: number | null,
): void {
  tf.tidy(() => {
    const x = codes
      ? {
          codes: tf.cast(tf.abs(tf.round(tf.mul(tensor('x'), 3))), 'int32'),
          scale: tf.fill([SAMPLES, TOKENS, 1], 0.25),
          zeroPoint: tf.fill([SAMPLES, TOKENS, 1], 2),
          bits: 6,
          groupSize: D,
        }
      : tensor('x');
    const rest = { bias: tensor('bias'), residual: tensor('residual') };
    const given = parts(fine);
    const plain = quantizedMatMul(x, weights(bits), rest).dataSync();
    const y = quantizedMatMul(x, weights(bits), { ...rest, ...given, activation }).dataSync();
    const [along, rows] = [given.along, given.directionWeights].map((t) => t.dataSync());
    const scale = given.directionScale?.dataSync();
    const whole = Float32Array.from(plain, (v, at) => {
      const [token, j] = [Math.floor(at / N), at % N];
      let sum = v;
      for (let i = 0; i < rows!.length / N; i++) {
        sum += along![token * RANK + (i % RANK)]! * (scale?.[i] ?? 1) * rows![i * N + j]!;
      }
      return sum;
    });
    const wanted = activated(tf.tensor1d(whole), activation).dataSync();
    const largest = whole.reduce((max, v) => Math.max(max, Math.abs(v)), 1);
    const far = y.findIndex((v, at) => !(Math.abs(v - wanted[at]!) <= 2e-5 * largest));
    expect(far, `${y[far]} for ${wanted[far]}`).to.equal(-1);
    expect(whole.some((v, at) => Math.abs(v - plain[at]!) > 0.1)).to.equal(true);
  });
}

function activated(x: tf.Tensor, activation: Activation): tf.Tensor {
  switch (activation) {
    case 'none':
      return x;
    case 'relu':
      return tf.relu(x);
    case 'silu':
      return tf.mul(x, tf.sigmoid(x));
    case 'gelu':
      return tf.mul(tf.mul(0.5, x), tf.add(1, tf.erf(tf.div(x, Math.SQRT2))));
    case 'geluTanh': {
      const inner = tf.add(x, tf.mul(0.044715, tf.pow(x, 3)));
      return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(tf.mul(Math.sqrt(2 / Math.PI), inner))));
    }
    default:
      return activation satisfies never;
  }
}
