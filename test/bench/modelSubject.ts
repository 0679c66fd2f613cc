import * as tf from '@tensorflow/tfjs';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import { buildDit, type DitConfig, type DitWeights } from '../../models/builder/dit.js';
import { seededDitWeights } from '../../models/seeded.js';
import {
  type CalibrationStats,
  calibrate,
  rewriteGraph,
  type WeightOptions,
} from '../../src/index.js';
import { normal } from '../harness/numbers/random.js';

/** The weights of a rewritten model; its activations have 8 bits. */
export const MODEL_WEIGHTS = {
  W8A8: { bits: 8, granularity: 'perChannel', rounding: 'nearest', clipping: 'none' },
  W4A8: { bits: 4, groupSize: 64, rounding: 'nearest', clipping: 'none' },
} as const satisfies Record<string, WeightOptions>;

export type ModelPrecision = keyof typeof MODEL_WEIGHTS;

/**
 * Samples of random noise that calibration sees: what is timed does not depend on what it finds.
 */
const CALIBRATION_BATCHES = 2;
const CALIBRATION_SAMPLES = 4;

/** A seeded DiT as it is and rewritten, with inputs for one sample. */
export class ModelSubject {
  private constructor(
    readonly config: DitConfig,
    readonly weights: DitWeights,
    readonly float: GraphModel,
    private readonly stats: CalibrationStats,
  ) {}

  static async make(config: DitConfig): Promise<ModelSubject> {
    const weights = seededDitWeights(config, 1);
    const float = await tf.loadGraphModel(tf.io.fromMemory(buildDit(config, weights)));
    const batches = Array.from({ length: CALIBRATION_BATCHES }, (_, i) =>
      inputsOf(config, CALIBRATION_SAMPLES, i + 1),
    );
    const stats = await calibrate(float, batches, { hessian: false, disposeBatches: true });
    return new ModelSubject(config, weights, float, stats);
  }

  /** Integers all the way, HadaNorm with every part it has. */
  rewritten(precision: ModelPrecision): GraphModel {
    const { model } = rewriteGraph(this.float, {
      stats: this.stats,
      mode: 'integer',
      rotate: true,
      weights: MODEL_WEIGHTS[precision],
      activations: { bits: 8 },
      weightOnly: { bits: 8, granularity: 'perChannel', clipping: 'none' },
      compare: false,
    });
    return model;
  }

  /** Seeded inputs. */
  inputs(samples = 1): Record<'latent' | 'timestep' | 'label', tf.Tensor> {
    return inputsOf(this.config, samples, 99);
  }

  dispose(): void {
    this.float.dispose();
  }
}

function inputsOf({ inputSize, channels, numClasses }: DitConfig, batch: number, seed: number) {
  const shape = [batch, inputSize, inputSize, channels] as const;
  const size = batch * inputSize * inputSize * channels;
  const times = Float32Array.from({ length: batch }, (_, i) => ((i + 0.3 * seed) / batch) % 1);
  const labels = Int32Array.from({ length: batch }, (_, i) => (7 * seed + i) % numClasses);
  return {
    latent: tf.tensor4d(normal(size, seed), [...shape]),
    timestep: tf.tensor1d(times),
    label: tf.tensor1d(labels, 'int32'),
  };
}
