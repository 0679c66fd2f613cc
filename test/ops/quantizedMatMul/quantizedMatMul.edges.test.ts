import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { packedBytes } from '../../../ops/numerics/packing.js';
import {
  InvalidArgumentError,
  type PackedWeights,
  type QuantizedMatMulOptions,
  quantizedMatMul,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import {
  BITS,
  D,
  N,
  packed,
  RANK,
  SAMPLES,
  TOKENS,
  tensor,
} from '../../harness/ops/quantizedMatMul.js';
import { expectNoLeak } from '../../harness/run/memory.js';

describeOnBackends('QuantizedMatMul at its edges', (backend) => {
  it('a tensor of dtype bool keeps bytes from 0 to 255, after it was used too', () => {
    expectNoLeak(() => {
      const all = Uint8Array.from({ length: 256 }, (_, i) => i);
      const bytes = tf.tensor1d(all, 'bool');
      expect([...bytes.dataSync()]).to.deep.equal([...all]);
      tf.dispose(tf.cast(bytes, 'float32'));
      expect([...bytes.dataSync()]).to.deep.equal([...all]);
      bytes.dispose();
    });
  });

  // TensorFlow makes them 0 and 1; the kernel there unpacks on the host
  if (backend !== 'tensorflow') {
    it('a byte of dtype bool is the number 0 to 255 once it is cast', () => {
      expectNoLeak(() => {
        const all = Uint8Array.from({ length: 256 }, (_, i) => i);
        const bytes = tf.tensor1d(all, 'bool');
        const cast = tf.tidy(() => tf.add(tf.cast(bytes, 'float32'), tf.scalar(0)));
        expect([...cast.dataSync()]).to.deep.equal([...all]);
        tf.dispose([bytes, cast]);
      });
    });
  }

  for (const shape of [
    [0, TOKENS, D],
    [SAMPLES, 0, D],
    [0, D],
  ]) {
    it(`x of shape [${shape}] gives an empty result`, () => {
      expectNoLeak(() => {
        tf.tidy(() => {
          const samples = shape.slice(0, -2).reduce((product, dim) => product * dim, 1);
          const options = {
            bias: tensor('bias'),
            residual: tf.zeros([samples, D]),
            coefficients: tf.zeros([samples, RANK]),
            basis: tensor('basis'),
          };
          const y = quantizedMatMul(tf.zeros(shape), packed(), options);
          expect([y.shape, y.dtype]).to.deep.equal([[...shape.slice(0, -1), N], 'float32']);
          expect(y.dataSync()).to.have.lengthOf(0);
        });
      });
    });
  }

  it('numbers make a tensor, which does not stay behind', () => {
    const identity = { bits: 32, groupSize: 2, shape: [2, 2] as const };
    const codes = tf.tensor2d([1, 0, 0, 2], [2, 2]);
    expectNoLeak(() => {
      const y = quantizedMatMul([[3, 5]], { ...identity, codes });
      expect(y.arraySync()).to.deep.equal([[3, 10]]);
      y.dispose();
    });
    codes.dispose();
  });

  it('it has no gradient, and says so', () => {
    tf.tidy(() => {
      const grad = tf.grad((x) => quantizedMatMul(x, packed()));
      expect(() => grad(tensor('x'))).to.throw(/gradient.*QuantizedMatMul/);
    });
  });

  const wrong: [string, (given: Given) => Change, string][] = [
    ['x of another width', () => ({ x: tf.zeros([3, D + 1]) }), 'x must be of shape [..., tokens'],
    ['x of rank 1', () => ({ x: tf.zeros([D]) }), 'x must be of shape [..., tokens, 10], got'],
    ['x of integers', () => ({ x: tf.zeros([1, D], 'int32') }), 'x must be a float32 tensor'],
    ['bits 1', () => ({ bits: 1 }), 'bits must be an integer from 2 to 8, got 1.'],
    ['bits 9', () => ({ bits: 9 }), 'bits must be an integer from 2 to 8, got 9.'],
    ['bits 4.5', () => ({ bits: 4.5 }), 'bits must be an integer from 2 to 8, got 4.5.'],
    ['groups of 0', () => ({ groupSize: 0 }), 'groupSize must be an integer ≥ 1, got 0.'],
    [
      'groups beyond any length',
      () => ({ groupSize: 2 ** 32 + 1 }),
      'groupSize must be an integer from 1 to 2147483647, got 4294967297.',
    ],
    [
      'outputs beyond any length',
      () => ({ shape: [D, 2 ** 32] }),
      'n must be an integer from 1 to',
    ],
    ['rows beyond any length', () => ({ shape: [2 ** 32, N] }), 'd must be an integer from 1 to'],
    [
      'an infinite scale',
      () => ({ scale: tf.fill([3, N], Number.POSITIVE_INFINITY) }),
      'scale must be of finite numbers, or NaN, got Infinity at 0.',
    ],
    ['other groups', () => ({ groupSize: 2 }), 'scale must be float32 of shape [5,6]'],
    ['no shape', () => ({ shape: undefined as never }), 'shape must be [d, n], got undefined.'],
    ['no outputs', () => ({ shape: [D, 0] }), 'n must be an integer ≥ 1, got 0.'],
    ['no scale', () => ({ scale: undefined }), 'scale must be given, got none.'],
    ['no codes', () => ({ codes: undefined as never }), 'codes must be a tensor, got undefined.'],
    [
      'codes of another dtype',
      () => ({ codes: tf.zeros([packedBytes(D, N, BITS)], 'int32') }),
      'codes must be 60 bytes (dtype bool) for [10,6] at 5 bits, got 60 of int32.',
    ],
    [
      'codes that are cut off',
      ({ codes }) => ({ codes: tf.slice(codes, [0], [codes.size - 1]) }),
      'got 59 of bool. The file may be truncated or altered: get it again.',
    ],
    ['packed codes as float32 weights', () => ({ bits: 32 }), 'float32 of shape [10,6] where bits'],
    ['a bias of another length', () => ({ bias: tf.zeros([D]) }), 'bias must be float32 of shape'],
    ['a bias that is no tensor', () => ({ bias: [1] as never }), 'bias must be a tensor, got [1].'],
    [
      'a row per token as residual',
      () => ({ residual: tf.zeros([SAMPLES * TOKENS, D]) }),
      'residual must be float32 of shape [2,10], got float32 of shape [6,10].',
    ],
    [
      'a basis alone',
      () => ({ coefficients: undefined }),
      'coefficients must be given beside coefficients, basis and',
    ],
    [
      'coefficients alone',
      () => ({ basis: undefined }),
      'basis must be given beside coefficients, basis',
    ],
    [
      'coefficients that do not fit the basis',
      () => ({ coefficients: tf.zeros([SAMPLES, RANK + 1]) }),
      'coefficients must be float32 of shape [2,2], got float32 of shape [2,3].',
    ],
    [
      'a basis of other outputs',
      () => ({ basis: tf.zeros([RANK, N + 1]) }),
      'basis must be float32 of shape [2,6], got float32 of shape [2,7].',
    ],
    [
      'a scale for a basis that is not there',
      () => ({ basisScale: tf.ones([RANK]), basis: undefined, coefficients: undefined }),
      'basis must be given beside coefficients, basis and basisScale, got none.',
    ],
    [
      'a scale of other rows than the basis',
      () => ({ basisScale: tf.ones([RANK + 1]) }),
      'basisScale must be float32 of shape [2], got float32 of shape [3].',
    ],
    [
      'more than two rows for a coefficient',
      () => ({ basisScale: tf.ones([5]), basis: tf.ones([5, N]) }),
      'basis must be of 2 to 4 rows for 2 factors, got 5.',
    ],
    [
      'fewer rows than coefficients',
      () => ({ basisScale: tf.ones([1]), basis: tf.ones([1, N]) }),
      'basis must be of 2 to 4 rows for 2 factors, got 1.',
    ],
    [
      'another activation',
      () => ({ activation: 'elu' as never }),
      'activation must be one of none, gelu, geluTanh, silu, relu, got "elu".',
    ],
    [
      'a disposed tensor',
      () => {
        const bias = tf.zeros([N]);
        bias.dispose();
        return { bias };
      },
      'bias must be a tensor, got a disposed tensor.',
    ],
  ];
  for (const [what, change, message] of wrong) {
    it(`${what} gets a typed error`, () => {
      expectNoLeak(() => {
        tf.tidy(() => {
          const right = all();
          const given = { ...right, ...change(right) } as Given;
          const { x, codes, scale, bits, groupSize, shape, ...rest } = given;
          const weights = { codes, scale, bits, groupSize, shape };
          const entries = Object.entries(rest);
          const options = Object.fromEntries(entries.filter(([, value]) => value !== undefined));
          expect(() => quantizedMatMul(x, weights, options)).to.throw(
            InvalidArgumentError,
            message,
          );
        });
      });
    });
  }

  it('an unknown option or a part of the weights that there is not gets a typed error', () => {
    tf.tidy(() => {
      const x = tensor('x');
      const odd = { biass: tensor('bias') } as QuantizedMatMulOptions;
      expect(() => quantizedMatMul(x, packed(), odd)).to.throw(InvalidArgumentError, '"biass"');
      const more = { ...packed(), zeroPoint: 3 };
      expect(() => quantizedMatMul(x, more)).to.throw(InvalidArgumentError, '"zeroPoint"');
      expect(() => quantizedMatMul(x, null as never)).to.throw(InvalidArgumentError, 'got null');
    });
  });
});

type Given = PackedWeights & QuantizedMatMulOptions & { x: tf.Tensor };
type Change = { [K in keyof Given]?: Given[K] | undefined };

/** Everything that is right, for one thing to be changed. */
function all(): Given {
  return {
    ...packed(),
    x: tensor('x'),
    bias: tensor('bias'),
    residual: tensor('residual'),
    coefficients: tensor('coefficients'),
    basis: tensor('basis'),
  };
}
