/** A sum of tensors, each times a number. */
export interface Sum {
  /** Of the samples as the model is given them. */
  readonly sample: number;
  /** Of what it predicts. */
  readonly prediction: number;
}

/** One run of the model, and what is made of it. */
export interface Evaluation {
  /** What the model is told, as it was trained: 0 … 1000. */
  readonly timestep: number;
  /** The samples after it; `previous` is what was kept before, `noise` is drawn anew. */
  readonly next: Sum & { readonly previous: number; readonly noise: number };
  /** What is kept for the next one; null: nothing. */
  readonly kept: Sum | null;
  /**
   * Where the model predicts the variance too, the logarithms between which it chooses by −1 … 1:
   * the noise's factor is exp(½ (…)), in the place of `next.noise`.
   */
  readonly learned: { readonly minLog: number; readonly maxLog: number } | null;
  /** Whether it is the last of its step. */
  readonly completesStep: boolean;
}

/**
 * A way from noise to data, made by `noiseSchedule`: all numbers are known before the model is run
 * once, in float64.
 */
export interface Schedule {
  /** The class of diffusers that it is. */
  readonly name: string;
  readonly steps: number;
  readonly evaluations: readonly Evaluation[];
}

/** Where the data is, and the noise, as sums of the samples and what is predicted. */
export interface Parts {
  readonly data: Sum;
  readonly noise: Sum;
}

/** What a model predicts. */
export const PREDICTIONS = ['epsilon', 'sample', 'v_prediction'] as const;

/** One of `PREDICTIONS`. */
export type Prediction = (typeof PREDICTIONS)[number];

/** Data and noise behind samples a · data + s · noise, by what the model predicts of them. */
export function partsOf(kind: Prediction, a: number, s: number): Parts {
  switch (kind) {
    case 'epsilon':
      return {
        data: { sample: 1 / a, prediction: -s / a },
        noise: { sample: 0, prediction: 1 },
      };
    case 'sample':
      return {
        data: { sample: 0, prediction: 1 },
        noise: { sample: 1 / s, prediction: -a / s },
      };
    case 'v_prediction':
      return {
        data: { sample: a, prediction: -s },
        noise: { sample: s, prediction: a },
      };
    default:
      return kind satisfies never;
  }
}

/** a · x + b · y. */
export function combined(a: number, x: Sum, b: number, y: Sum): Sum {
  return {
    sample: a * x.sample + b * y.sample,
    prediction: a * x.prediction + b * y.prediction,
  };
}

/** The samples themselves. */
export const SAMPLE: Sum = { sample: 1, prediction: 0 };
