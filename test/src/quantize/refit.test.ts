import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { InputHashes } from '../../../src/calibrate/inputHash.js';
import { PairCollector } from '../../../src/calibrate/pairCollector.js';
import type { SiteStats } from '../../../src/calibrate/siteStats.js';
import { refitWeights } from '../../../src/quantize/refit.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { expectWithin } from '../../harness/numbers/compare.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

const D = 70; // more than one block of the solver
const N = 5;
const SAMPLES = 6;
const TOKENS = 40;
const ROWS = SAMPLES * TOKENS;

/** Inputs of a site in the original, and what a quantized linear before it makes of them. */
function changedInputs(seed: number, noiseSize = 0.1) {
  const mixing = normal(D * D, 3);
  const [draws, noise] = [normal(ROWS * D, seed), normal(ROWS * D, seed + 1)];
  const original = new Float32Array(ROWS * D);
  const changed = new Float32Array(ROWS * D);
  for (let row = 0; row < ROWS; row++) {
    for (let c = 0; c < D; c++) {
      const at = row * D + c;
      // few directions carry most of it, as in a trained model
      original[at] = 2 + (3 * draws[row * D + (c % 7)]! + draws[at]!) * (1 + (c % 5));
    }
    for (let c = 0; c < D; c++) {
      const at = row * D + c;
      let moved = 0;
      for (let k = 0; k < D; k++) moved += mixing[k * D + c]! * original[row * D + k]!;
      // as wrong weights do, and then as rounded activations do
      changed[at] = original[at]! + 0.01 * moved + noiseSize * noise[at]!;
    }
  }
  return { original, changed };
}

async function statsOf(seed: number, noise?: number): Promise<SiteStats> {
  const { original, changed } = changedInputs(seed, noise);
  const site = { source: 'x', axes: 1, d: D, tokens: 'axis', like: null, likeAxes: 0 } as const;
  const target = { key: 'x', site, hessian: true, mask: null };
  const keep = { means: 8, samples: 4, tokensPerSample: 3 };
  const collector = new PairCollector([target], keep);
  const half = (values: Float32Array, part: number) => {
    const size = (ROWS * D) / 2;
    return tf.tensor3d(values.slice(part * size, (part + 1) * size), [SAMPLES / 2, TOKENS, D]);
  };
  for (const part of [0, 1]) {
    const [x, there] = [half(changed, part), half(original, part)];
    const origins = { hashes: new InputHashes([x]), times: [] };
    const tapped = (of: tf.Tensor) => ({ x: of, like: null, mask: null });
    await collector.add(0, origins, tapped(x), tapped(there));
    tf.dispose([x, there]);
  }
  return collector.sites()[0]![1];
}

/** x W less its mean over the rows, in float64. */
function outputs(x: Float32Array, w: Float32Array): Float64Array {
  const out = new Float64Array(ROWS * N);
  for (let row = 0; row < ROWS; row++) {
    for (let c = 0; c < D; c++) {
      for (let j = 0; j < N; j++) {
        out[row * N + j] = out[row * N + j]! + x[row * D + c]! * w[c * N + j]!;
      }
    }
  }
  for (let j = 0; j < N; j++) {
    let mean = 0;
    for (let row = 0; row < ROWS; row++) mean += out[row * N + j]! / ROWS;
    for (let row = 0; row < ROWS; row++) out[row * N + j] = out[row * N + j]! - mean;
  }
  return out;
}

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);

describeOnBackends('Weights that are refit', () => {
  const w = normal(D * N, 9);

  it('are nearer to the original on other data, and do not shrink the outputs', async () => {
    await expectNoLeakAsync(async () => {
      const [fitted] = refitWeights(await statsOf(11), [w])!;
      const { original, changed } = changedInputs(77);
      const wanted = outputs(original, w);
      const error = (of: Float32Array) => {
        const off = outputs(changed, of).map((v, i) => v - wanted[i]!);
        return dot(off, off) / dot(wanted, wanted);
      };
      expect(error(fitted!)).to.be.below(0.3 * error(w));
      const gain = dot(outputs(changed, fitted!), wanted) / dot(wanted, wanted);
      expect(gain).to.be.within(0.99, 1.01);
    });
  });

  it('do not shrink the outputs of noisy inputs, where that is asked for', async () => {
    const noise = 8;
    const stats = await statsOf(11, noise);
    const { original, changed } = changedInputs(77, noise);
    const wanted = outputs(original, w);
    const gains = [false, true].map((unshrunk) => {
      const [fitted] = refitWeights(stats, [w], { unshrunk })!;
      return dot(outputs(changed, fitted!), wanted) / dot(wanted, wanted);
    });
    expect(gains[0]).to.be.below(0.99);
    expect(gains[1]).to.be.within(0.99, 1.03);
  });

  it('are the solution of the regression', async () => {
    const stats = await statsOf(11);
    const [fitted] = refitWeights(stats, [w])!;
    // the gradient in float64: Xᵀ(X W̃ − X° W) + λ diag(σ²)(W̃ − W) is 0, of whatever λ and σ are
    const { original, changed } = changedInputs(11);
    const off = outputs(changed, fitted!).map((v, i) => v - outputs(original, w)[i]!);
    const ratios = Array.from({ length: D }, (_, c) => {
      const towards = (j: number) => {
        let sum = 0;
        for (let row = 0; row < ROWS; row++) sum -= changed[row * D + c]! * off[row * N + j]!;
        return sum;
      };
      // one factor for a channel, the same for all outputs
      const all = Array.from({ length: N }, (_, j) => towards(j));
      const moved = Array.from({ length: N }, (_, j) => fitted![c * N + j]! - w[c * N + j]!);
      const factor = dot(Float64Array.from(all), Float64Array.from(moved));
      const own = moved.reduce((sum, v) => sum + v * v, 0);
      const lambda = factor / own;
      const size = Math.hypot(...all);
      return Math.hypot(...all.map((v, j) => v - lambda * moved[j]!)) / size;
    });
    expectWithin(Float32Array.from(ratios), new Float32Array(D), 0.02);
  });

  it('are the same where nothing before them has changed', async () => {
    const stats = await statsOf(11);
    const { cross } = stats.original!;
    cross!.fill(0);
    expect(refitWeights(stats, [w])).to.equal(null);
    const { original: _, ...plain } = stats;
    expect(refitWeights(plain, [w])).to.equal(null);
  });
});
