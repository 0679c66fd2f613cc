import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { packCodes } from '../../../ops/numerics/packing.js';
import type { Activation } from '../../../ops/quantizedMatMul/contract.js';
import {
  hadaNormQuantize,
  type QuantizedMatMulOptions,
  quantizedMatMul,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { EPS, maxMagnitude } from '../../harness/numbers/compare.js';
import { normal, uniform } from '../../harness/numbers/random.js';
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

/** Linears in the order in which they are multiplied: several tiles, with ragged edges. */
interface Linear {
  readonly shape: readonly [tokens: number, d: number, n: number];
  readonly bits: readonly [weights: number, activations: number];
  readonly groups: readonly [weights: number, activations: number];
  readonly rank: number;
  readonly fine: number;
}

const SHAPES: readonly Linear[] = [
  { shape: [70, 192, 68], bits: [4, 8], groups: [64, 192], rank: 16, fine: 2 },
  { shape: [37, 192, 70], bits: [4, 4], groups: [64, 64], rank: 33, fine: 0 },
  { shape: [5, 96, 131], bits: [8, 8], groups: [96, 96], rank: 1, fine: 1 },
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

  for (const of of SHAPES) {
    it(`${JSON.stringify(of)}: what is added is along R`, () => expectAdded(of));
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

/** Codes by codes, of which what is added beside directions is known; a bias, several samples. */
function expectAdded({ shape: [tokens, d, n], bits, groups, rank, fine }: Linear): void {
  tf.tidy(() => {
    const quantized = hadaNormQuantize(tf.tensor(normal(2 * tokens * d, 1), [2, tokens, d]), {
      ...{ bits: bits[1], groupSize: groups[1] },
    });
    const half = 2 ** (bits[0] - 1);
    const next = uniform(d + n);
    const codes = Int8Array.from({ length: d * n }, () => Math.floor(next() * 2 * half) - half);
    const weights = {
      codes: tf.tensor1d(packCodes(codes, d, n, bits[0]), 'bool'),
      scale: tf.fill([d / groups[0], n], 1 / d),
      ...{ bits: bits[0], groupSize: groups[0], shape: [d, n] as const },
    };
    const given = { bias: tf.tensor1d(normal(n, 2)), residual: quantized.residual! };
    const along = tf.tensor(normal(2 * tokens * rank, 3), [2, tokens, rank]);
    const directionWeights = tf.tensor2d(normal((rank + fine) * n, 4), [rank + fine, n]);
    const directionScale = tf.tensor1d(normal(rank + fine, 5));
    const of = (options: QuantizedMatMulOptions) =>
      quantizedMatMul(quantized.quantized, weights, { ...given, ...options }).dataSync();
    const plain = of({});
    const y = of({ along, directionWeights, ...(fine ? { directionScale } : {}) });
    const [a, r, s] = [along, directionWeights, directionScale].map((t) => t.dataSync());
    const added = plain.map((_, at) => {
      const [token, j] = [Math.floor(at / n), at % n];
      let sum = 0;
      for (let i = 0; i < rank + fine; i++) {
        sum += a![token * rank + (i % rank)]! * (fine ? s![i]! : 1) * r![i * n + j]!;
      }
      return sum;
    });
    const slack = 4 * (rank + 8) * EPS * (maxMagnitude(plain) + maxMagnitude(added));
    const far = y.findIndex((v, at) => !(Math.abs(v - plain[at]! - added[at]!) <= slack));
    expect(far, `${y[far]} for ${plain[far]! + added[far]!}`).to.equal(-1);
  });
}
