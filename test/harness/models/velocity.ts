import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { WeightValues } from '../../../models/builder/dit.js';
import type { VelocityModel } from '../../../src/diffusion/sampler.js';

/** A DiT's inputs. */
export interface InputValues {
  readonly latent: WeightValues;
  readonly timestep: WeightValues;
  readonly label: WeightValues;
}

/** Runs a DiT and checks the shape of its output. */
export function velocity(model: VelocityModel, inputs: InputValues): Float32Array {
  return tf.tidy(() => {
    const tensors = Object.entries(inputs).map(([name, { shape, values }]) => {
      const tensor = tf.tensor(values, [...shape], 'float32');
      return [name, name === 'label' ? tensor.toInt() : tensor];
    });
    const y = model.predict(Object.fromEntries(tensors)) as tf.Tensor;
    expect(y.shape).to.deep.equal(inputs.latent.shape);
    return y.dataSync() as Float32Array;
  });
}
