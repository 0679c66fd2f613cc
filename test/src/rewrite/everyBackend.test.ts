import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit, type DitConfig } from '../../../models/builder/dit.js';
import { seededDitWeights } from '../../../models/seeded.js';
import { seededNormal } from '../../../src/diffusion/sampler.js';
import {
  type CalibrationStats,
  calibrate,
  loadQuantized,
  type RewriteOptions,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';

const CONFIG: DitConfig = {
  inputSize: 8,
  patchSize: 2,
  channels: 4,
  hiddenSize: 48,
  depth: 2,
  numHeads: 4,
  mlpRatio: 4,
  numClasses: 3,
};

describeOnBackends('A rewritten DiT', () => {
  let model: tf.GraphModel;
  let stats: CalibrationStats;
  let inputs: tf.NamedTensorMap;
  let exact: tf.Tensor;

  before(async () => {
    const artifacts = buildDit(CONFIG, seededDitWeights(CONFIG, 11));
    model = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
    stats = await calibrate(model, [batch(1), batch(2), batch(3)], { disposeBatches: true });
    inputs = batch(9);
    exact = model.predict(inputs) as tf.Tensor;
  });
  after(() => {
    tf.dispose([inputs, exact]);
    model.dispose();
  });

  it('gives the same without quantization', () => {
    const off = { weights: { bits: null }, activations: { bits: null } };
    expect(error({ ...off, weightOnly: false })).to.be.below(1e-4);
    expect(error({ ...off, weightOnly: false, rotate: false })).to.be.below(1e-4);
  });

  it('is near the original at W8A8, W4A8 and W4A4, in this order', () => {
    const errors = [
      [8, 8],
      [4, 8],
      [4, 4],
    ].map(([weights, activations]) =>
      error({ weights: { bits: weights! }, activations: { bits: activations! } }),
    );
    expect(errors[0]).to.be.below(0.02);
    expect(errors[1]).to.be.within(errors[0]!, 0.15);
    expect(errors[2]).to.be.within(errors[1]!, 0.3);
  });

  it('comes back from a file with the same outputs to the bit', async () => {
    const { model: small } = rewriteGraph(model, { stats, lowRank: 2, compare: false });
    let saved: tf.io.ModelArtifacts = {};
    await saveQuantized(
      small,
      tf.io.withSaveHandler(async (artifacts) => {
        saved = artifacts;
        return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
      }),
    );
    const again = await loadQuantized(tf.io.fromMemory(saved));
    const [a, b] = [small, again].map((one) => one.predict(inputs) as tf.Tensor);
    expect(Array.from(await b!.data())).to.deep.equal(Array.from(await a!.data()));
    tf.dispose([a, b]);
    small.dispose();
    again.dispose();
  });

  /** ‖a − b‖ / ‖a‖ of the model's output. */
  function error(options: RewriteOptions): number {
    const { model: small } = rewriteGraph(model, { stats, compare: false, ...options });
    const relative = tf.tidy(() => {
      const off = tf.norm(tf.sub(exact, small.predict(inputs) as tf.Tensor));
      return tf.div(off, tf.norm(exact)).dataSync()[0]!;
    });
    small.dispose();
    return relative;
  }
});

function batch(seed: number): tf.NamedTensorMap {
  return {
    latent: seededNormal([2, 8, 8, 4], seed),
    timestep: tf.tensor1d([0.1 * seed, 0.05 + 0.1 * seed]),
    label: tf.tensor1d([seed % 3, 3], 'int32'),
  };
}
