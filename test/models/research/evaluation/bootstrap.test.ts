import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { expect } from 'chai';
import { estimateOf, resamplings } from '../../../../models/research/evaluation/bootstrap.js';
import {
  distancesOf,
  featureScaleOf,
  ResampledSet,
  scaledFeatures,
} from '../../../../models/research/evaluation/distances.js';
import { normal } from '../../../harness/numbers/random.js';

describe('Bootstrap', () => {
  it('draws as many as there are, with replacement, the same for a seed', () => {
    const rows = resamplings(50, 20, 3);
    for (const counts of rows) {
      expect(counts.reduce((sum, count) => sum + count, 0)).to.equal(50);
      expect(counts.filter((count) => count === 0).length, 'not drawn').to.be.within(8, 30);
    }
    expect(resamplings(50, 20, 3)).to.deep.equal(rows);
    expect(resamplings(50, 20, 4)).not.to.deep.equal(rows);
  });

  it('gives the interval of a mean of n numbers: ± 1.96 σ / √n', () => {
    const values = normal(400, 5, 3, 2);
    const mean = (counts: Float32Array) =>
      values.reduce((sum, value, i) => sum + counts[i]! * value, 0) / 400;
    const value = mean(new Float32Array(400).fill(1));
    const { low, high } = estimateOf(value, resamplings(400, 1000, 6).map(mean));
    expect((high - low) / 2).to.be.within(0.85 * 0.196, 1.15 * 0.196);
    expect((high + low) / 2).to.be.closeTo(value, 0.02);
  });

  it('takes percentiles, moved so that the replicates’ mean is the figure', () => {
    const replicates = Array.from({ length: 41 }, (_, i) => 100 + i);
    const { value, low, high } = estimateOf(10, replicates);
    expect([value, low, high]).to.deep.equal([10, -9, 29]);
  });
});

describe('FID and KID of known distributions', () => {
  const WIDTH = 4;
  before(async () => {
    await tf.setBackend('wasm');
  });

  it('of normal distributions a shift apart are near the shift’s, within it', async () => {
    const [x, y] = [normal(1500 * WIDTH, 1), normal(1500 * WIDTH, 2, 0.5)];
    const options = { width: WIDTH, seed: 1, replicates: 40 };
    const sets = [new ResampledSet(x, 'x', options), new ResampledSet(y, 'y', options)] as const;
    const { fid, kid } = await distancesOf(...sets);
    expect(fid.value).to.be.within(0.8, 1.25); // 4 · 0.5²
    expect(1).to.be.within(fid.low, fid.high);
    // k is a polynomial: with s = xᵀy/d, E[(s + 1)³ − 1] within N(0), within N(m) and across, in
    // closed form
    const expected = kernelMean(0.5, 0.5) + kernelMean(0, 0) - 2 * kernelMean(0, 0.5);
    expect(expected).to.be.within(kid.low, kid.high);
    expect(kid.high - kid.low).to.be.below(expected);
  });

  it('of pairs are told from no difference more finely than of strangers', async () => {
    const x = normal(300 * WIDTH, 3);
    const noise = normal(x.length, 4, 0, 0.05);
    const near = x.map((value, i) => value + noise[i]!);
    const options = { width: WIDTH, seed: 2, replicates: 30 };
    const set = (features: Float32Array, origin: string) =>
      new ResampledSet(features, origin, options);
    const pairs = await distancesOf(set(near, 'samples'), set(x, 'samples'));
    const strangers = await distancesOf(set(normal(x.length, 5), 'others'), set(x, 'samples'));
    const width = ({ low, high }: { low: number; high: number }) => high - low;
    expect(width(pairs.kid)).to.be.below(width(strangers.kid) / 4);
    expect(pairs.fid.value).to.be.below(strangers.fid.value);
  });

  it('scaled features of the scale’s own rows have mean 0 and variance 1 on average', () => {
    const features = normal(200 * WIDTH, 6, 5, 3).map((value, i) => value * (1 + (i % WIDTH)));
    const scaled = scaledFeatures(features, featureScaleOf(features, WIDTH));
    const again = featureScaleOf(scaled, WIDTH);
    for (const mean of again.mean) expect(mean).to.be.closeTo(0, 1e-5);
    expect(again.deviation).to.be.closeTo(1, 1e-6);
  });

  /**
   * E[(xᵀy / d + 1)³] of independent x ~ N(a, I), y ~ N(b, I), every mean the same in all d
   * channels.
   */
  function kernelMean(a: number, b: number): number {
    // moments of one product p = x y: with E x = a, E x² = a² + 1, E x³ = a³ + 3 a
    const moment = (m: number) => [1, m, m * m + 1, m ** 3 + 3 * m];
    const p = moment(a).map((value, i) => value * moment(b)[i]!);
    const d = WIDTH;
    const [, p1, p2, p3] = p as [number, number, number, number];
    const s1 = p1;
    const s2 = (d * p2 + d * (d - 1) * p1 ** 2) / d ** 2;
    const s3 = (d * p3 + 3 * d * (d - 1) * p2 * p1 + d * (d - 1) * (d - 2) * p1 ** 3) / d ** 3;
    return s3 + 3 * s2 + 3 * s1 + 1;
  }
});
