import * as tf from '@tensorflow/tfjs';
import { CHANNELS, CLASSES, type Digits, TOKENS } from './digits.js';
import { type Bits, HadaNormDense } from './hadaNormDense.js';

/** How well a model reads digits. */
export interface Figures {
  /** Share of the digits that are read right. */
  readonly accuracy: number;
  /** Mean cross entropy (nats). */
  readonly loss: number;
}

/** How to train. */
export interface TrainOptions {
  readonly epochs: number;
  readonly learningRate: number;
}

const BATCH = 50;
const UNITS = 48;

/**
 * Two quantized layers over the patches and a classifier in float32: [batch, TOKENS, CHANNELS] →
 * [batch, CLASSES].
 */
export function digitReader(bits: Bits, seed: number): tf.Sequential {
  const inputShape = [TOKENS, CHANNELS];
  const initializer = tf.initializers.glorotUniform({ seed: seed + 2 });
  return tf.sequential({
    layers: [
      tf.layers.inputLayer({ inputShape }),
      new HadaNormDense({ units: UNITS, bits, seed }),
      new HadaNormDense({ units: UNITS, bits, seed: seed + 1 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: CLASSES, activation: 'softmax', kernelInitializer: initializer }),
    ],
  });
}

/** The same weights in a model of other bits: quantization after training. */
export function requantized(model: tf.LayersModel, bits: Bits, seed: number): tf.Sequential {
  const quantized = digitReader(bits, seed);
  quantized.setWeights(model.getWeights());
  return quantized;
}

/** Trains a model on digits, by `fit`; gives the mean loss of each epoch. */
export async function train(
  model: tf.LayersModel,
  { pictures, labels }: Digits,
  { epochs, learningRate }: TrainOptions,
): Promise<number[]> {
  compile(model, learningRate);
  const classes = tf.oneHot(labels, CLASSES);
  // digits come in no order; tfjs shuffles without a seed
  const options = { epochs, batchSize: BATCH, shuffle: false, verbose: 0 } as const;
  const { history } = await model.fit(pictures, classes, options);
  classes.dispose();
  return history.loss as number[];
}

/** How well a model reads digits that it has not seen. */
export function figuresOf(model: tf.LayersModel, { pictures, labels }: Digits): Figures {
  const [loss, accuracy] = tf.tidy(() => {
    const probabilities = model.predict(pictures, { batchSize: 250 }) as tf.Tensor2D;
    const classes = tf.oneHot(labels, CLASSES);
    const entropy = tf.metrics.categoricalCrossentropy(classes, probabilities);
    const right = tf.equal(tf.argMax(probabilities, 1), labels);
    return [tf.mean(entropy), tf.mean(right)].map((mean) => mean.dataSync()[0]!);
  });
  return { loss: loss!, accuracy: accuracy! };
}

function compile(model: tf.LayersModel, learningRate: number): void {
  const optimizer = tf.train.adam(learningRate);
  model.compile({ optimizer, loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
}

/**
 * A model that was saved and loaded again; any of tfjs's handlers and URLs does what memory does
 * here.
 */
export async function reloaded(model: tf.LayersModel): Promise<tf.LayersModel> {
  let saved: tf.io.ModelArtifacts = {};
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    }),
  );
  return tf.loadLayersModel(tf.io.fromMemory(saved));
}
