import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { calibrateOnTrajectories } from '../../../src/diffusion/calibration.js';
import { seededNormal } from '../../../src/diffusion/sampler.js';
import { type CalibrationStats, rewriteGraph } from '../../../src/index.js';
import { sqnr } from '../../../src/math/decibels.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { keep, keptOutput, loadKept, loadNano } from '../../harness/models/trained.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

/** A rewriting, and what its velocity must reach (dB). */
interface Recipe {
  readonly name: string;
  readonly weights: number;
  readonly activations: number;
  /**
   * To the original's: what rounding without a transform reaches in docs/evaluation.md, (b), 64
   * samples.
   */
  readonly sqnr: number;
  /**
   * To the rewritten model's on another backend. Where a float32 sum differs in its last bit a code
   * does, and what that moves goes through more rounding at every layer: between GPUs and CPUs it
   * grows to the noise of the activations.
   */
  readonly agreement: number;
}

const RECIPES: readonly Recipe[] = [
  { name: 'W4A8', weights: 4, activations: 8, sqnr: 25.93, agreement: 40 },
  { name: 'W4A4', weights: 4, activations: 4, sqnr: 19.69, agreement: 20 },
];

/** By how much one backend may be nearer to the original than another (dB). */
const SPREAD = 1;

/** Once for all backends. */
let statistics: Promise<CalibrationStats> | undefined;

/** Ops are compositions there: everyBackend.test.ts has them run a small one. */
const LEFT_OUT = { webgpu: 'the trained DiT takes half a minute on WebGPU without a GPU' };

for (const recipe of RECIPES) {
  describeOnBackends(
    `The trained DiT at ${recipe.name}`,
    (backend) => {
      let made: Float32Array;

      before(async function () {
        this.timeout(300_000);
        made = await prepared(recipe);
        await tf.setBackend(backend);
      });

      it('is as near to the original as it is on WASM, where it was made', async () => {
        const [original, small] = [await loadNano(), await loadKept(recipe.name)];
        const [exact, quantized] = [await velocityOf(original), await velocityOf(small)];
        expect(sqnr(exact, quantized)).to.be.at.least(recipe.sqnr);
        expect(sqnr(exact, quantized)).to.be.closeTo(sqnr(exact, made), SPREAD);
        original.dispose();
        small.dispose();
      });

      it('gives what it gives on WASM, and leaves nothing behind', async () => {
        // what a backend keeps for good, it has made by now
        const quantized = await expectNoLeakAsync(async () => {
          const bytes = gpuBytes();
          const small = await loadKept(recipe.name);
          const values = await velocityOf(small);
          small.dispose();
          expect(gpuBytes(), 'bytes of textures or buffers on the GPU').to.equal(bytes);
          return values;
        });
        expect(sqnr(made, quantized)).to.be.at.least(recipe.agreement);
      });
    },
    LEFT_OUT,
  );
}

/**
 * Rewrites the original on WASM, unless it was done, and keeps the model; gives its velocity there.
 */
async function prepared({ name, weights, activations }: Recipe): Promise<Float32Array> {
  const known = await keptOutput(name);
  if (known !== null) return known;
  await tf.setBackend('wasm');
  const original = await loadNano();
  statistics ??= calibrated(original);
  const { model: small, report } = rewriteGraph(original, {
    stats: await statistics,
    weights: { bits: weights },
    activations: { bits: activations },
    mode: 'integer',
    compare: false,
  });
  const transformed = report.linears.filter(({ treatment }) => treatment === 'transformed');
  expect(transformed.length, 'transformed linears').to.be.at.least(24); // 6 blocks of 4
  for (const { execution } of transformed) expect(execution).to.equal('integer');
  const velocity = await velocityOf(small);
  await keep(name, small, velocity);
  original.dispose();
  small.dispose();
  return velocity;
}

/** From four steps of four samples. */
function calibrated(original: tf.GraphModel): Promise<CalibrationStats> {
  const recipe = { samples: 4, steps: 4, keep: [0, 1, 2, 3] };
  return calibrateOnTrajectories(original, { recipe, labels: [0, 5, 10, 15], seed: 1 });
}

/** One sample on its way, the same on every backend. */
async function velocityOf(model: tf.GraphModel): Promise<Float32Array<ArrayBuffer>> {
  const inputs = {
    latent: seededNormal([1, 32, 32, 3], 5),
    timestep: tf.tensor1d([0.4]),
    label: tf.tensor1d([3], 'int32'),
  };
  const velocity = model.predict(inputs) as tf.Tensor;
  const values = await velocity.data<'float32'>();
  tf.dispose([inputs, velocity]);
  return Float32Array.from(values);
}

/** What the backend holds on a GPU; undefined where it has none. */
function gpuBytes(): number | undefined {
  return (tf.memory() as { numBytesInGPU?: number }).numBytesInGPU;
}
