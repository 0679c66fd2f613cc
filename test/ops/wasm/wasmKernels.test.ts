import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import fc from 'fast-check';
import { channelCenterReference } from '../../../ops/channelCenter/reference.js';
import { channelCenterOnWasm } from '../../../ops/channelCenter/wasm.js';
import { fakeQuantOnWasm } from '../../../ops/fakeQuant/wasm.js';
import { hadamardTransformReference } from '../../../ops/hadamardTransform/reference.js';
import { hadamardTransformOnWasm } from '../../../ops/hadamardTransform/wasm.js';
import { nearestValues } from '../../../ops/numerics/formats.js';
import type { Granularity } from '../../../ops/numerics/quantization.js';
import { quantizationLayout } from '../../../ops/numerics/quantization.js';
import '../../harness/backends/backends.js';
import { EPS, expectWithin, maxError } from '../../harness/numbers/compare.js';
import { activationFormat } from '../../harness/numbers/formats.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { GuardedWasm } from '../../harness/wasm/guardedWasm.js';

/** Where the work is cut: into one range, two, or more of any size, some of them empty. */
const cuts = fc
  .array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 })
  .map((parts) => parts.sort((a, b) => a - b));

/**
 * Every kind of plan: powers of two by each way to begin, order 12 at wide and at narrow strides,
 * other factors, products.
 */
const BLOCKS = [
  ...[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048],
  ...[12, 24, 48, 96, 144, 384, 1152, 20, 40, 80, 28, 36, 72, 44, 76, 140, 280, 240, 400],
];

const transforms = fc.record({
  blockSize: fc.constantFrom(...BLOCKS),
  blocks: fc.integer({ min: 1, max: 5 }),
  rows: fc.integer({ min: 1, max: 4 }),
  transpose: fc.boolean(),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

const centers = fc.record({
  samples: fc.integer({ min: 1, max: 3 }),
  tokens: fc.integer({ min: 1, max: 11 }),
  d: fc.integer({ min: 1, max: 70 }),
  scaled: fc.boolean(),
  given: fc.boolean(),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

const granularities: fc.Arbitrary<Granularity> = fc.oneof(
  fc.constant<Granularity>({ kind: 'perTensor' }),
  fc.constant<Granularity>({ kind: 'perToken' }),
  fc.record({ kind: fc.constant('perChannel' as const), axis: fc.integer({ min: 0, max: 2 }) }),
  fc.record({
    kind: fc.constant('perGroup' as const),
    axis: fc.integer({ min: 0, max: 2 }),
    groupSize: fc.integer({ min: 1, max: 40 }),
  }),
);

/** Beside normal numbers: the ends of float32, ties, and what makes a group NaN. */
const oddities = fc.oneof(
  { arbitrary: fc.constantFrom(0, -0, 0.5, 2 ** -126, 2 ** -149, -(2 ** -121)), weight: 6 },
  { arbitrary: fc.constantFrom(3.4028234e38, -3.4028234e38, 1e30, -1e-30), weight: 3 },
  {
    arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    weight: 1,
  },
);

const quantizations = fc.record({
  // the last: one range from pieces of 4096
  shape: fc.oneof(
    fc.tuple(...[1, 2, 3].map(() => fc.integer({ min: 1, max: 37 }))),
    fc.constantFrom([3, 5, 700]),
  ),
  granularity: granularities,
  bits: fc.integer({ min: 2, max: 16 }),
  symmetric: fc.boolean(),
  ranged: fc.constantFrom('no', 'one', 'each'),
  std: fc.constantFrom(1, 1e-37, 1e37),
  odd: fc.array(fc.tuple(fc.nat(), oddities), { maxLength: 3 }),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

describe('WASM kernels of transforms and quantizers', () => {
  before(async () => {
    await tf.setBackend('wasm');
  });

  it('the Hadamard transform stays within its tensors, however it is cut, and is right', () => {
    const property = fc.property(transforms, cuts, (given, at) => {
      const { blockSize, blocks, rows, transpose, seed } = given;
      const shape = [rows, blocks * blockSize];
      const values = normal(sizeOf(shape), seed, 0.5);
      const run = (cutAt: readonly number[]) =>
        GuardedWasm.check(1 << 20, cutAt, (module) => {
          const x = module.input({ shape, values });
          const inputs = { x: x as tf.Tensor };
          const y = hadamardTransformOnWasm({ inputs, attrs: { transpose, blockSize }, module });
          expect(maxError(module.valuesOf(x), values), 'what became of x').to.equal(0);
          return module.valuesOf(y);
        });
      const whole = run([]);
      expect(maxError(run(at), whole)).to.equal(0);
      const exact = hadamardTransformReference(values, blockSize, transpose);
      // a float32 error per addition, of sums not larger than √blockSize · max|x|
      expectWithin(whole, exact, 4 * EPS * Math.sqrt(blockSize) * Math.log2(2 * blockSize));
    });
    fc.assert(property, { seed: 11, numRuns: 250 });
  });

  it('centering stays within its tensors, however it is cut, and is right', () => {
    const property = fc.property(
      centers,
      cuts,
      ({ samples, tokens, d, scaled, given, seed }, at) => {
        const shape = [samples, tokens, d];
        const values = normal(sizeOf(shape), seed, 3);
        const scale = normal(d, seed + 1).map((v) => 0.5 + Math.abs(v));
        const mean = normal(samples * d, seed + 2);
        const masked = !given && seed % 2 === 1;
        const counted = normal(samples * tokens, seed + 3).map((v) => (v < 0.5 ? 1 : 0));
        const run = (cutAt: readonly number[]) =>
          GuardedWasm.check(1 << 16, cutAt, (module) => {
            const inputs = {
              x: module.input({ shape, values }) as tf.Tensor,
              scale: {
                ...module.input({ shape: [d], values: scale }),
                rank: scaled ? 1 : 0,
              } as tf.Tensor,
              mean: given
                ? (module.input({ shape: [samples, 1, d], values: mean }) as tf.Tensor)
                : undefined,
              mask: {
                ...module.input({ shape: [samples, tokens], values: counted }),
                rank: masked ? 2 : 0,
              } as tf.Tensor,
            };
            const attrs = { dynamic: !given };
            const [y, m] = channelCenterOnWasm({ inputs, attrs, module }) as [
              tf.TensorInfo,
              tf.TensorInfo,
            ];
            expect(maxError(module.valuesOf(inputs.x), values), 'what became of x').to.equal(0);
            return { centered: module.valuesOf(y), mean: module.valuesOf(m) };
          });
        const whole = run([]);
        const parts = run(at);
        const exact = channelCenterReference(values, tokens, d, {
          ...(scaled ? { scale } : {}),
          ...(given ? { mean } : {}),
          ...(masked ? { mask: counted } : {}),
        });
        for (const name of ['centered', 'mean'] as const) {
          expect(maxError(parts[name], whole[name])).to.equal(0);
          expectWithin(whole[name], exact[name], 1e-5);
        }
      },
    );
    fc.assert(property, { seed: 12, numRuns: 200 });
  });

  it('the quantizer, however cut, stays within its tensors: the bits of the cpu kernel', () => {
    const property = fc.property(quantizations, cuts, (given, at) => {
      const { shape, granularity, bits, symmetric, ranged, std, odd, seed } = given;
      const values = normal(sizeOf(shape), seed, 0.3 * std, std);
      for (const [index, value] of odd) values[index % values.length] = value;
      const { numGroups } = quantizationLayout(granularity, shape);
      const ends = (sign: number) =>
        ranged === 'one'
          ? sign * std
          : [...normal(numGroups, seed + 1)].map((v) => sign * std * Math.abs(v));
      const range = ranged === 'no' ? null : { min: ends(-1), max: ends(1) };
      const format = activationFormat(bits, symmetric, granularity);
      const run = (cutAt: readonly number[]) =>
        GuardedWasm.check(1 << 20, cutAt, (module) => {
          const x = module.input({ shape, values });
          return module.valuesOf(
            fakeQuantOnWasm({ inputs: { x: x as tf.Tensor }, attrs: { format, range }, module }),
          );
        });
      const expected = nearestValues(format, values, shape, range);
      for (const y of [run([]), run(at)]) {
        // NaN for NaN; 0 for −0, whose sign is not part of the contract
        const off = y.findIndex(
          (v, i) => v !== expected[i] && !(Number.isNaN(v) && Number.isNaN(expected[i]!)),
        );
        expect(off < 0 ? null : [off, values[off], y[off], expected[off]]).to.equal(null);
      }
    });
    fc.assert(property, { seed: 13, numRuns: 600 });
  });
});
