import * as tf from '@tensorflow/tfjs';
import { fakeQuant } from 'tfjs-hadanorm';
import { CLASSES, type Digits } from './digits.js';
import { type Bits, hadaNormLinear } from './hadaNormDense.js';

const BATCH = 50;

/** The reader of train.ts without tf.layers: its six weights as variables. */
export class EagerReader {
  private readonly variables: readonly tf.Variable[];

  constructor(
    weights: readonly tf.Tensor[],
    private readonly bits: Bits,
  ) {
    this.variables = weights.map((weight) => tf.variable(weight));
  }

  /** Trains on digits in turn, a batch a step; gives the loss of each step. */
  train(digits: Digits, steps: number, learningRate: number): number[] {
    const optimizer = tf.train.adam(learningRate);
    const losses = Array.from({ length: steps }, (_, step) =>
      tf.tidy(() => {
        const batch = batchOf(digits, step);
        const loss = optimizer.minimize(() => this.loss(batch), true, [...this.variables]);
        return loss!.dataSync()[0]!;
      }),
    );
    optimizer.dispose();
    return losses;
  }

  /** The length of the loss's gradient by each weight, on the first batch. */
  gradientNorms(digits: Digits): number[] {
    return tf.tidy(() => {
      const batch = batchOf(digits, 0);
      const { grads } = tf.variableGrads(() => this.loss(batch), [...this.variables]);
      return this.variables.map(({ name }) => tf.norm(grads[name]!).dataSync()[0]!);
    });
  }

  /** The share of digits that are read right. */
  accuracy({ pictures, labels }: Digits): number {
    return tf.tidy(() => {
      const right = tf.equal(tf.argMax(this.logits(pictures), 1), labels);
      return tf.mean(right).dataSync()[0]!;
    });
  }

  dispose(): void {
    tf.dispose([...this.variables]);
  }

  private loss({ pictures, labels }: Digits): tf.Scalar {
    const classes = tf.oneHot(labels, CLASSES);
    return tf.losses.softmaxCrossEntropy(classes, this.logits(pictures)).asScalar();
  }

  /** [samples, CLASSES] */
  private logits(pictures: tf.Tensor3D): tf.Tensor2D {
    const [kernel1, bias1, kernel2, bias2, kernel3, bias3] = this.variables as readonly [
      tf.Variable<tf.Rank.R2>,
      tf.Variable<tf.Rank.R1>,
      tf.Variable<tf.Rank.R2>,
      tf.Variable<tf.Rank.R1>,
      tf.Variable<tf.Rank.R2>,
      tf.Variable<tf.Rank.R1>,
    ];
    const first = tf.relu(hadaNormLinear(pictures, kernel1, bias1, this.bits));
    const second = tf.relu(hadaNormLinear(first, kernel2, bias2, this.bits));
    const flat = tf.reshape(second, [pictures.shape[0], -1]);
    return tf.add(tf.matMul(flat, kernel3), bias3);
  }
}

/**
 * Lengths of the gradient of Σ Q(w)² by w: with the plugin's `fakeQuant`, whose gradient is
 * straight-through, and with the same written in tfjs's own ops, where `tf.round` lets nothing
 * through.
 */
export function gradientsThrough(w: tf.Tensor, bits: number): { ours: number; rounded: number } {
  const scale = tf.div(tf.max(tf.abs(w)), 2 ** (bits - 1) - 1);
  const norm = (quantize: (x: tf.Tensor) => tf.Tensor) =>
    tf.tidy(() => tf.norm(tf.grad((x) => tf.sum(tf.square(quantize(x))))(w)).dataSync()[0]!);
  const granularity = { kind: 'perTensor' } as const;
  const norms = {
    ours: norm((x) => fakeQuant(x, { bits, symmetric: true, granularity })),
    rounded: norm((x) => tf.mul(tf.round(tf.div(x, scale)), scale)),
  };
  scale.dispose();
  return norms;
}

/** As many digits as a step takes, from the beginning again when all were seen. */
function batchOf({ pictures, labels }: Digits, step: number): Digits {
  const begin = (step % Math.floor(labels.size / BATCH)) * BATCH;
  return {
    pictures: tf.slice(pictures, begin, BATCH),
    labels: tf.slice(labels, begin, BATCH),
  };
}
