import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { channelCenterReference } from '../../../ops/channelCenter/reference.js';
import { channelCenter, InvalidArgumentError } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { expectWithin, expectWithinTwiceNaive } from '../../harness/numbers/compare.js';
import type { Values } from '../../harness/numbers/gradient.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { type OpCase, runOpCases } from '../../harness/ops/opCases.js';
import { expectNoLeak } from '../../harness/run/memory.js';

interface Row {
  shape: number[];
  scale?: boolean;
  mean?: 'channel' | 'sample';
}

const ROWS: readonly Row[] = [
  { shape: [1, 1] },
  { shape: [5, 1] },
  { shape: [1, 7], scale: true },
  { shape: [3, 4] },
  { shape: [3, 4], scale: true },
  { shape: [3, 4], mean: 'channel' },
  { shape: [2, 3, 5], scale: true },
  { shape: [2, 3, 5], scale: true, mean: 'channel' },
  { shape: [2, 3, 5], scale: true, mean: 'sample' },
  { shape: [2, 1, 3, 5], mean: 'sample' },
  { shape: [2, 2, 9, 31] },
  { shape: [1, 64, 192], scale: true },
  { shape: [2, 255, 33], scale: true },
  { shape: [1, 257, 40], scale: true, mean: 'channel' },
];

runOpCases('ChannelCenter', ROWS.map(toCase));

describeOnBackends('ChannelCenter edges', () => {
  it('samples of a batch have means of their own', () => {
    tf.tidy(() => {
      const one = tf.tensor2d(normal(6 * 8, 1), [6, 8]);
      const two = tf.add(one, 100);
      const { mean, centered } = channelCenter(tf.stack([one, two]));
      const [mean1, mean2] = tf.unstack(mean) as [tf.Tensor, tf.Tensor];
      expectWithin(tf.sub(mean2, mean1).dataSync(), new Float32Array(8).fill(100), 1e-4);
      const [first, second] = tf.unstack(centered) as [tf.Tensor, tf.Tensor];
      expectWithin(second.dataSync(), first.dataSync(), 1e-4);
    });
  });

  it('one token per sample is its own mean', () => {
    tf.tidy(() => {
      const { centered, mean } = channelCenter([[[1, -2]], [[3, 1e30]]]);
      expect([...centered.dataSync()]).to.deep.equal([0, 0, 0, 0]);
      expect([...mean.dataSync()]).to.deep.equal([1, -2, 3, Math.fround(1e30)]);
    });
  });

  it('numbers are taken as tensors are, and an empty batch stays empty', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const { centered, mean } = channelCenter(
          [
            [1, 100],
            [3, 102],
          ],
          { scale: [1, 2], mean: [2, 100] },
        );
        expect(centered.arraySync()).to.deep.equal([
          [-1, 0],
          [1, 1],
        ]);
        expect(mean.arraySync()).to.deep.equal([[2, 100]]);
        const empty = channelCenter(tf.zeros([0, 3, 4]), { scale: [1, 1, 1, 1] });
        expect([empty.centered.shape, empty.mean.shape]).to.deep.equal([
          [0, 3, 4],
          [0, 1, 4],
        ]);
      }),
    );
  });

  it('the outputs outlive the inputs', () => {
    const x = tf.tensor2d([
      [1, 2],
      [3, 6],
    ]);
    const given = tf.tensor1d([1, 1]);
    const { centered, mean } = channelCenter(x, { mean: given });
    tf.dispose([x, given]);
    expect([...centered.dataSync(), ...mean.dataSync()]).to.deep.equal([0, 1, 2, 5, 1, 1]);
    tf.dispose([centered, mean]);
  });
});

describeOnBackends('ChannelCenter validation', () => {
  const x = () => tf.zeros([2, 3, 4]);
  const wrong: [string, () => unknown, string][] = [
    [
      'a vector',
      () => channelCenter([1, 2]),
      'x must be of rank ≥ 2 ([..., tokens, d]), got rank 1 (shape [2]).',
    ],
    [
      'no token',
      () => channelCenter(tf.zeros([2, 0, 4])),
      'x must be of at least one token, got shape [2,0,4].',
    ],
    ['a bool tensor', () => channelCenter(tf.ones([2, 2], 'bool')), 'dtype bool'],
    [
      'a scale of another length',
      () => channelCenter(x(), { scale: [1, 2, 3] }),
      'scale must be of shape [4], got shape [3].',
    ],
    [
      'a scalar scale',
      () => channelCenter(x(), { scale: 2 }),
      'scale must be of shape [4], got shape [].',
    ],
    [
      'a mean of another length',
      () => channelCenter(x(), { mean: [1] }),
      'mean must be of shape [4] or [2,1,4], got shape [1].',
    ],
    [
      'a mean that would need a broadcast',
      () => channelCenter(x(), { mean: tf.zeros([1, 1, 4]) }),
      'got shape [1,1,4]',
    ],
    [
      'an option that is not there',
      () => channelCenter(x(), { sigma: 1 } as object),
      'options must be made of scale, mean, mask, got "sigma".',
    ],
    [
      'options that are none',
      () => channelCenter(x(), null as unknown as object),
      'options must be an object, got null.',
    ],
  ];
  for (const [what, call, message] of wrong) {
    it(`${what} is refused with a way out`, () => {
      expectNoLeak(() => tf.tidy(() => void expect(call).to.throw(InvalidArgumentError, message)));
    });
  }
});

function toCase({ shape, scale, mean }: Row): OpCase {
  const [tokens, d] = shape.slice(-2) as [number, number];
  const samples = sizeOf(shape) / (tokens * d);
  const meanShape = [...shape.slice(0, -2), 1, d];
  const values = normal(sizeOf(shape), 3 * d + tokens, 4, 1);
  const inputs: Values[] = [{ shape, values }];
  if (scale) inputs.push({ shape: [d], values: normal(d, d).map((v) => 0.5 + Math.abs(v)) });
  if (mean) {
    const given = mean === 'channel' ? [d] : meanShape;
    inputs.push({ shape: given, values: normal(sizeOf(given), 2 * d, 4, 1) });
  }
  const named = <T>(all: readonly T[]): { scale?: T; mean?: T } => ({
    ...(scale ? { scale: all[1]! } : {}),
    ...(mean ? { mean: all[scale ? 2 : 1]! } : {}),
  });
  const reference = (all: Float64Array[]) => {
    const result = channelCenterReference(all[0]!, tokens, d, named(all));
    return [result.centered, result.mean];
  };
  const poisoned = Math.floor(values.length / 2);
  const column = (i: number) => Math.floor(i / (tokens * d)) * d + (i % d);
  return {
    name: `[${shape}]${scale ? ', scaled' : ''}${mean ? `, static mean per ${mean}` : ''}`,
    inputs,
    run: (tensors) => {
      const result = channelCenter(tensors[0]!, named(tensors));
      return [result.centered, result.mean];
    },
    shapes: [shape, meanShape],
    check: (outputs) => {
      const all = inputs.map((input) => Float64Array.from(input.values));
      const exact = reference(all);
      const rounded = naive(values, tokens, d, samples, named(inputs.map((input) => input.values)));
      outputs.forEach((output, i) => {
        expectWithinTwiceNaive(output, exact[i]!, rounded[i]!);
      });
    },
    // small steps: the loss is not linear in the scale
    ...(values.length <= 600 ? { gradient: { reference, step: 1e-5, tolerance: 1e-4 } } : {}),
    poison: {
      element: poisoned,
      reaches: (output, i) => {
        if (mean) return output === 0 && i === poisoned;
        return (output === 0 ? column(i) : i) === column(poisoned);
      },
    },
  };
}

/** The definition with every step rounded to float32. */
function naive(
  x: Float32Array,
  tokens: number,
  d: number,
  samples: number,
  given: { scale?: Float32Array; mean?: Float32Array },
): Float32Array[] {
  const f = Math.fround;
  const centered = new Float32Array(x.length);
  const mean = new Float32Array(samples * d);
  for (let s = 0; s < samples; s++) {
    for (let c = 0; c < d; c++) {
      let sum = 0;
      for (let t = 0; t < tokens; t++) sum = f(sum + x[(s * tokens + t) * d + c]!);
      mean[s * d + c] = given.mean?.[given.mean.length === d ? c : s * d + c] ?? sum / tokens;
      for (let t = 0; t < tokens; t++) {
        const at = (s * tokens + t) * d + c;
        centered[at] = f(x[at]! - mean[s * d + c]!) / (given.scale?.[c] ?? 1);
      }
    }
  }
  return [centered, mean];
}
