/**
 * HadaNorm on one linear layer, from the three ops alone, beside the methods it competes with:
 * round-to-nearest, SmoothQuant and a plain Hadamard rotation (QuaRot).
 *
 * Run: npx tsx examples/quantizeLinear.ts
 *
 * Weights and activations are synthetic and seeded, made the way a DiT's residual stream looks:
 * channels with means of their own and a few that are far larger than the rest.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import Table from 'cli-table3';
import { channelCenter, fakeQuant, hadamardTransform } from 'tfjs-hadanorm';
import { sqnrDecibels } from '../src/math/decibels.js';

const SAMPLES = 4;
const TOKENS = 64;
const D = 384; // DiT-S
const N = 1536;
const PRECISIONS = [
  { name: 'W8A8', weights: 8, activations: 8 },
  { name: 'W4A8', weights: 4, activations: 8 },
  { name: 'W4A4', weights: 4, activations: 4 },
];

/** How a method treats a layer before quantizing it; rows of x are tokens, w is [D, N]. */
interface Method {
  readonly name: string;
  readonly center: boolean;
  readonly rotate: boolean;
  readonly scale: (x: tf.Tensor, w: tf.Tensor) => tf.Tensor; // [D]
}

const METHODS: readonly Method[] = [
  { name: 'round to nearest', center: false, rotate: false, scale: ones },
  { name: 'SmoothQuant', center: false, rotate: false, scale: smoothQuantScale },
  { name: 'Hadamard (QuaRot)', center: false, rotate: true, scale: ones },
  { name: 'HadaNorm', center: true, rotate: true, scale: balancedScale },
];

await tf.setBackend('wasm');
await tf.ready();

const table = new Table({
  head: ['output SQNR (dB)', ...PRECISIONS.map(({ name }) => name)],
  colAligns: ['left', 'right', 'right', 'right'],
  style: { head: [], border: [] },
});
tf.tidy(() => {
  const { x, w } = syntheticLayer();
  const exact = linear(x, w);
  for (const method of METHODS) {
    const row = PRECISIONS.map(({ weights, activations }) =>
      sqnr(exact, quantizedLinear(x, w, method, weights, activations)).toFixed(1),
    );
    table.push([method.name, ...row]);
  }
});
const data = `${SAMPLES} samples of ${TOKENS} tokens, synthetic`;
console.log(`One linear layer, ${D} → ${N}, ${data}, on ${tf.getBackend()}`);
console.log(table.toString());
console.log(
  'Weights symmetric per output channel, activations asymmetric per token; higher is better.',
);

/** y = Q(((x − μ)/σ) H) Q(Hᵀ diag(σ) w) + μ w; in a method without it, μ = 0, σ = 1 or H = I. */
function quantizedLinear(
  x: tf.Tensor,
  w: tf.Tensor,
  method: Method,
  weightBits: number,
  activationBits: number,
): tf.Tensor {
  const sigma = method.scale(x, w);
  const zero = tf.zeros([D]);
  const { centered, mean } = channelCenter(
    x,
    method.center ? { scale: sigma } : { scale: sigma, mean: zero },
  );
  const scaledWeights = tf.mul(w, tf.expandDims(sigma, 1));
  // Hᵀ w = (wᵀ H)ᵀ: the op works along the last axis
  const rotatedWeights = method.rotate
    ? tf.transpose(hadamardTransform(tf.transpose(scaledWeights)))
    : scaledWeights;
  const weights = fakeQuant(rotatedWeights, {
    bits: weightBits,
    symmetric: true,
    granularity: { kind: 'perChannel', axis: 1 },
  });
  const rotated = method.rotate ? hadamardTransform(centered) : centered;
  const activations = fakeQuant(rotated, { bits: activationBits });
  return tf.add(linear(activations, weights), linear(mean, w));
}

/**
 * σ = sqrt(std / ‖w‖): the activation's and the weight's error share what the layer makes of them.
 */
function balancedScale(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
  const { centered } = channelCenter(x);
  const std = tf.sqrt(tf.mean(tf.square(tf.reshape(centered, [-1, D])), 0));
  return tf.sqrt(tf.div(std, tf.norm(w, 2, 1)));
}

/** max|x|^½ / max|w|^½, α = ½. */
function smoothQuantScale(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
  const channelMax = tf.max(tf.abs(tf.reshape(x, [-1, D])), 0);
  return tf.sqrt(tf.div(channelMax, tf.max(tf.abs(w), 1)));
}

function ones(): tf.Tensor {
  return tf.ones([D]);
}

/** [samples, tokens, D] × [D, N] as one product: tfjs's batched matMul is slow on WASM. */
function linear(x: tf.Tensor, w: tf.Tensor): tf.Tensor {
  const [samples, tokens] = x.shape as [number, number];
  return tf.reshape(tf.matMul(tf.reshape(x, [-1, D]), w), [samples, tokens, N]);
}

/** Signal to quantization noise, in dB. */
function sqnr(exact: tf.Tensor, approximate: tf.Tensor): number {
  const signal = tf.sum(tf.square(exact)).dataSync()[0]!;
  const error = tf.sum(tf.squaredDifference(exact, approximate)).dataSync()[0]!;
  return sqnrDecibels({ signal, error });
}

function syntheticLayer(): { x: tf.Tensor; w: tf.Tensor } {
  const spread = tf.exp(tf.randomNormal([D], 0, 0.5, 'float32', 1));
  const outliers = tf.where(
    tf.less(tf.randomUniform([D], 0, 1, 'float32', 2), 0.02),
    tf.fill([D], 8),
    tf.ones([D]),
  );
  const mean = tf.mul(tf.randomNormal([D], 0, 1, 'float32', 3), outliers);
  const tokens = tf.randomNormal([SAMPLES, TOKENS, D], 0, 1, 'float32', 4);
  return {
    x: tf.add(tf.mul(tokens, tf.mul(spread, outliers)), mean),
    w: tf.randomNormal([D, N], 0, 1 / Math.sqrt(D), 'float32', 5),
  };
}
