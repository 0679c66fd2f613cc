import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { channelCenterReference } from '../../../ops/channelCenter/reference.js';
import { channelCenter, InvalidArgumentError } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { expectWithin } from '../../harness/numbers/compare.js';
import type { Values } from '../../harness/numbers/gradient.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { type OpCase, runOpCases } from '../../harness/ops/opCases.js';
import { expectNoLeak } from '../../harness/run/memory.js';

interface Row {
  shape: number[];
  /** How many tokens of each sample count, from the front. */
  counts: number[];
  scale?: boolean;
}

const ROWS: readonly Row[] = [
  { shape: [1, 1], counts: [1] },
  { shape: [1, 1], counts: [0] },
  { shape: [4, 3], counts: [1], scale: true },
  { shape: [5, 4], counts: [3] },
  { shape: [5, 4], counts: [4], scale: true },
  { shape: [5, 4], counts: [5] },
  { shape: [3, 6, 5], counts: [0, 2, 6], scale: true },
  { shape: [2, 2, 9, 31], counts: [8, 1, 9, 4] },
  { shape: [1, 64, 192], counts: [17], scale: true },
  { shape: [2, 255, 33], counts: [254, 3], scale: true },
  { shape: [1, 257, 40], counts: [256] },
  { shape: [1, 1200, 4], counts: [1100] },
];

runOpCases('ChannelCenter with a mask', ROWS.map(toCase));

describeOnBackends('ChannelCenter masks', () => {
  const x = () => tf.tensor3d(normal(2 * 7 * 5, 3, 2), [2, 7, 5]);

  it('a mask that counts all tokens changes no bit', () => {
    tf.tidy(() => {
      for (const shape of [
        [2, 7, 5],
        [1, 64, 24],
        [3, 33, 17],
      ]) {
        const values = tf.tensor(normal(sizeOf(shape), 5, 3), shape);
        const plain = channelCenter(values);
        const masked = channelCenter(values, { mask: tf.ones(shape.slice(0, -1)) });
        expect(masked.mean.dataSync()).to.deep.equal(plain.mean.dataSync());
        expect(masked.centered.dataSync()).to.deep.equal(plain.centered.dataSync());
      }
    });
  });

  it('bool, int32, float32 and numbers are alike, and one mask serves all samples', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const one = [1, 0, 1, 1, 0, 0, 1];
        const expected = channelCenter(x(), { mask: [one, one] }).mean.dataSync();
        const masks = [
          tf.tensor2d([one, one], [2, 7], 'bool'),
          tf.tensor2d([one, one], [2, 7], 'int32').mul(-5),
          tf.tensor2d([one, one], [2, 7]).mul(0.25),
          tf.tensor2d([one], [1, 7], 'bool'),
          one,
        ];
        for (const mask of masks) {
          expect(channelCenter(x(), { mask }).mean.dataSync()).to.deep.equal(expected);
        }
      }),
    );
  });

  it('what a masked token holds reaches no other token', () => {
    tf.tidy(() => {
      const mask = tf.tensor2d([1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0], [2, 7]);
      const hidden = tf.expandDims(tf.equal(mask, 0), -1);
      const plain = channelCenter(x(), { mask });
      for (const junk of [Number.NaN, Number.POSITIVE_INFINITY, -1e30]) {
        const { mean, centered } = channelCenter(tf.where(hidden, junk, x()), { mask });
        expect(mean.dataSync()).to.deep.equal(plain.mean.dataSync());
        const seen = (of: tf.Tensor) => tf.where(hidden, 0, of).dataSync();
        expect(seen(centered)).to.deep.equal(seen(plain.centered));
      }
    });
  });

  it('where no token counts the mean is 0', () => {
    tf.tidy(() => {
      const { mean, centered } = channelCenter(x(), { mask: tf.zeros([2, 7], 'bool') });
      expect([...mean.dataSync()]).to.deep.equal(new Array(10).fill(0));
      expect(centered.dataSync()).to.deep.equal(x().dataSync());
    });
  });

  const wrong: [string, () => unknown, string][] = [
    ['a mask of other tokens', () => channelCenter(x(), { mask: [1, 1] }), 'got shape [2]'],
    ['a mask of one token', () => channelCenter(x(), { mask: [[1], [1]] }), 'got shape [2,1]'],
    [
      'a mask of channels',
      () => channelCenter(x(), { mask: tf.ones([2, 7, 5]) }),
      'of shape [2,7]',
    ],
    ['a number', () => channelCenter(x(), { mask: 1 }), 'got shape []'],
    ['text', () => channelCenter(x(), { mask: tf.tensor(['a']) }), 'dtype string'],
    [
      'a mask beside a mean',
      () => channelCenter(x(), { mask: tf.ones([2, 7]), mean: [1, 2, 3, 4, 5] }),
      'mask must be absent beside a mean',
    ],
  ];
  for (const [what, call, message] of wrong) {
    it(`${what} is refused`, () => {
      expectNoLeak(() => tf.tidy(() => void expect(call).to.throw(InvalidArgumentError, message)));
    });
  }
});

function toCase({ shape, counts, scale }: Row): OpCase {
  const [tokens, d] = shape.slice(-2) as [number, number];
  const values = normal(sizeOf(shape), 3 * d + tokens, 4, 1);
  const mask = Float32Array.from({ length: values.length / d }, (_, row) => {
    return row % tokens < counts[Math.floor(row / tokens)]! ? 1 : 0;
  });
  const inputs: Values[] = [
    { shape, values },
    { shape: shape.slice(0, -1), values: mask },
  ];
  if (scale) inputs.push({ shape: [d], values: normal(d, d).map((v) => 0.5 + Math.abs(v)) });
  const named = <T>([x, counted, sigma]: readonly T[]) => ({
    x: x!,
    options: { mask: counted!, ...(scale ? { scale: sigma! } : {}) },
  });
  const reference = (all: Float64Array[]) => {
    const { x, options } = named(all);
    const { centered, mean } = channelCenterReference(x, tokens, d, options);
    return [centered, mean];
  };
  const hidden = mask.lastIndexOf(0);
  const poisoned = hidden < 0 ? 0 : hidden * d + Math.floor(d / 2);
  const column = (i: number) => Math.floor(i / (tokens * d)) * d + (i % d);
  return {
    name: `[${shape}], ${counts} tokens count${scale ? ', scaled' : ''}`,
    inputs,
    run: (tensors) => {
      const { x, options } = named(tensors);
      const { centered, mean } = channelCenter(x, options);
      return [centered, mean];
    },
    shapes: [shape, [...shape.slice(0, -2), 1, d]],
    check: (outputs) => {
      const exact = reference(inputs.map((input) => Float64Array.from(input.values)));
      outputs.forEach((output, i) => {
        expectWithin(output, exact[i]!, 2e-6 * Math.sqrt(tokens) * 16);
      });
    },
    // a mask has no derivative
    ...(values.length <= 600
      ? { gradient: { reference, step: 1e-5, tolerance: 1e-4, smoothAt: (which) => which !== 1 } }
      : {}),
    poison: {
      element: poisoned,
      reaches: (output, i) => {
        if (hidden >= 0) return output === 0 && i === poisoned;
        return (output === 0 ? column(i) : i) === column(poisoned);
      },
    },
  };
}
