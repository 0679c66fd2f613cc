import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { hadaNormQuantizeReference } from '../../../ops/hadaNormQuantize/reference.js';
import { type HadaNormQuantizeOptions, hadaNormQuantize } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { EPS, maxMagnitude } from '../../harness/numbers/compare.js';
import { channelGroups } from '../../harness/numbers/formats.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { dequantized, expectWellFormed } from '../../harness/ops/quantizedActivations.js';

interface Row {
  readonly shape: readonly number[];
  readonly rank: number;
  readonly options?: Pick<
    HadaNormQuantizeOptions,
    'bits' | 'symmetric' | 'groupSize' | 'center' | 'blockSize'
  >;
  readonly scale?: boolean;
  readonly mean?: boolean;
  readonly basis?: number;
  readonly mask?: boolean;
}

const ROWS: readonly Row[] = [
  { shape: [3, 4], rank: 1 },
  { shape: [2, 5, 12], rank: 3, scale: true, mean: true, basis: 2 },
  { shape: [2, 2, 5, 12], rank: 3, scale: true, mean: true, mask: true },
  { shape: [2, 5, 12], rank: 3, options: { bits: 4, groupSize: 5, symmetric: true } },
  { shape: [2, 5, 24], rank: 2, options: { center: 'none' } },
  { shape: [2, 5, 24], rank: 2, options: { center: 'static' }, scale: true, mean: true },
  { shape: [2, 5, 24], rank: 24, options: { blockSize: 0 }, mean: true },
  { shape: [2, 5, 24], rank: 16, options: { blockSize: 4, bits: 2 }, mean: true },
  { shape: [2, 33, 384], rank: 16, scale: true, mean: true },
  { shape: [70, 192], rank: 33, options: { bits: 4, groupSize: 64 }, scale: true, basis: 8 },
  // several rows of a workgroup, of two samples
  { shape: [2, 531, 20], rank: 5, scale: true, mean: true },
  { shape: [2, 3, 1152], rank: 16, scale: true, mean: true, mask: true },
  { shape: [3, 1152], rank: 20, options: { bits: 4, groupSize: 64 }, basis: 16 },
];

describeOnBackends('hadaNormQuantize along directions', () => {
  for (const row of ROWS) {
    for (const subtract of [false, true]) {
      it(`${nameOf(row)}${subtract ? ', subtracted' : ''}`, () => expectRight(row, subtract));
    }
  }

  it('an empty tensor gives empty results', () => {
    const { along, quantized } = hadaNormQuantize(tf.zeros([0, 2, 4]), {
      directions: tf.ones([4, 3]),
    });
    expect([along!.shape, quantized.codes.shape]).to.deep.equal([
      [0, 2, 3],
      [0, 2, 4],
    ]);
    tf.dispose([along!, ...Object.values(quantized).filter((part) => part instanceof tf.Tensor)]);
  });

  it('a NaN reaches what goes along and the codes of its token, no other', () => {
    const values = normal(2 * 3 * 8, 1);
    values[8 * 4 + 2] = Number.NaN; // sample 1, token 1
    const x = tf.tensor(values, [2, 3, 8]);
    const directions = tf.tensor(normal(16, 2), [8, 2]);
    const { along, quantized } = hadaNormQuantize(x, {
      ...{ directions, subtract: true, center: 'none' },
    });
    const reached = [...along!.dataSync()].map(Number.isNaN);
    expect(reached).to.deep.equal(Array.from({ length: 12 }, (_, i) => i === 8 || i === 9));
    const scales = [...quantized.scale.dataSync()].map(Number.isNaN);
    expect(scales).to.deep.equal([false, false, false, false, true, false]);
  });

  it('says what does not fit', () => {
    const x = tf.ones([2, 4]);
    const directions = tf.ones([4, 2]);
    const wrong: [HadaNormQuantizeOptions, string][] = [
      [{ directions: tf.ones([2, 4]) }, 'directions must be of shape [4, r], r ≥ 1'],
      [{ directions: tf.ones([4]) }, 'directions must be of shape [4, r], r ≥ 1'],
      [{ directions: tf.ones([4, 0]) }, 'directions must be of shape [4, r], r ≥ 1'],
      [{ directions: tf.ones([4, 2], 'int32') }, 'directions must be'],
      [{ subtract: true }, 'subtract must be absent without directions'],
      [{ directions, subtract: 1 as never }, 'subtract must be'],
    ];
    for (const [options, message] of wrong) {
      expect(() => hadaNormQuantize(x, options)).to.throw(message);
    }
  });
});

function expectRight(row: Row, subtract: boolean): void {
  const { shape, rank, options = {} } = row;
  const [tokens, d] = shape.slice(-2) as [number, number];
  const seed = sizeOf(shape) + rank;
  const x = normal(sizeOf(shape), seed, 0.4);
  const given = {
    ...(row.scale ? { scale: normal(d, seed + 1).map((v) => v + Math.sign(v)) } : {}),
    ...(row.mean ? { mean: normal(d, seed + 2, 0.3) } : {}),
    ...(row.basis ? { basis: normal(row.basis * d, seed + 3, 0, 1 / Math.sqrt(d)) } : {}),
    ...(row.mask ? { mask: Float32Array.from({ length: x.length / d }, (_, i) => i % 3) } : {}),
    directions: normal(d * rank, seed + 4, 0, 1 / Math.sqrt(d)),
  };
  const shapes = { scale: [d], mean: [d], basis: [row.basis ?? 0, d], directions: [d, rank] };
  const masks = { mask: shape.slice(0, -1) };
  tf.tidy(() => {
    const tensors = Object.entries(given).map(([name, values]) => [
      name,
      tf.tensor(values, { ...shapes, ...masks }[name as keyof typeof given]),
    ]);
    const result = hadaNormQuantize(tf.tensor(x, [...shape]), {
      ...{ ...options, subtract },
      ...(Object.fromEntries(tensors) as HadaNormQuantizeOptions),
    });
    const { bits = 8, symmetric = false, center = 'dynamic', blockSize = d } = options;
    const groupSize = Math.min(options.groupSize ?? d, d);
    const format = channelGroups(bits, symmetric, groupSize);
    const attrs = { format, range: null, center, blockSize };
    const exact = hadaNormQuantizeReference({ x, ...given, subtract }, tokens, d, attrs);
    expectWellFormed(result.quantized, shape);
    // sums over tokens, a block, the basis, the directions
    const reach = maxMagnitude(exact.transformed) + maxMagnitude(exact.along);
    const slack = (tokens + d + rank + 64) * 8 * EPS * reach;
    const near = (name: string, values: ArrayLike<number>, wanted: ArrayLike<number>) => {
      expect(values.length, name).to.equal(wanted.length);
      for (let i = 0; i < wanted.length; i++) {
        if (Math.abs(values[i]! - wanted[i]!) <= slack) continue;
        expect.fail(`${name} ${i}: ${values[i]} for ${wanted[i]} ± ${slack}`);
      }
    };
    expect(result.along!.shape).to.deep.equal([...shape.slice(0, -1), rank]);
    near('along', result.along!.dataSync(), exact.along);
    if (result.residual !== null) near('residual', result.residual.dataSync(), exact.residual);
    if (row.basis) near('coefficients', result.coefficients!.dataSync(), exact.coefficients);
    const y = dequantized(result.quantized).dataSync();
    const { scale } = exact.quantized;
    // at the ends of a range with a zero point a whole step
    const steps = symmetric ? 0.5 : 1;
    const far = y.findIndex(
      (v, i) => Math.abs(v - exact.transformed[i]!) > steps * scale[i]! * 1.001 + slack,
    );
    expect(far, `${y[far]} for ${exact.transformed[far]}`).to.equal(-1);
  });
}

function nameOf({ shape, rank, options, ...parts }: Row): string {
  const flags = Object.entries(parts).map(([name, value]) => `${name} ${value}`);
  return [`[${shape}], ${rank}`, JSON.stringify(options ?? {}), ...flags].join(' ');
}
