import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { Denoiser } from '../../../src/diffusion/denoiser.js';
import type { DenoisingModel } from '../../../src/diffusion/model.js';
import { parseSafetensors, type WeightValues } from '../../../src/load/safetensors.js';
import { noiseSchedule } from '../../../src/load.js';
import { relative } from './publishedCases.js';

/** What diffusers' schedulers made of seeded predictions: test/fixtures/generate/schedules.py. */
export class ScheduleCases {
  readonly cases: Readonly<Record<string, ScheduleCase>>;
  private readonly tensors: ReadonlyMap<string, WeightValues>;

  /** @param json Of schedules.json. @param file Of schedules.safetensors. */
  constructor(json: string, file: Uint8Array) {
    this.cases = JSON.parse(json);
    this.tensors = parseSafetensors(file);
  }

  timesteps(name: string): number[] {
    return [...this.tensors.get(`${name}/timesteps`)!.values];
  }

  /** Checks that each step of a schedule is that of the fixture within 1e-6. */
  async check(name: string): Promise<void> {
    const { config, options } = this.cases[name]!;
    const { numTensors } = tf.memory();
    const schedule = noiseSchedule(config, options);
    let at = 0;
    const model: DenoisingModel = { inputs: [], predict: () => this.part(name, 'predictions', at) };
    const shape = [2, 3, 2, 2] as const;
    const plan = { shape, schedule, inputs: {}, guidance: null, seed: 0, timestepScale: 1 };
    let what = 'samples';
    const denoiser = new Denoiser('schedules', model, plan, () => this.part(name, what, at));
    what = 'noise';
    for (; at < schedule.evaluations.length; at++) {
      denoiser.evaluate();
      const latents = denoiser.latents();
      const expected = this.part(name, 'samples', at + 1);
      expect(relative(await latents.data(), await expected.data()), `${at}`).to.be.below(1e-6);
      tf.dispose([latents, expected]);
    }
    denoiser.dispose();
    expect(tf.memory().numTensors, 'tensors left').to.equal(numTensors);
  }

  /** The i-th part of a tensor. */
  private part(name: string, what: string, i: number): tf.Tensor4D {
    const { shape, values } = this.tensors.get(`${name}/${what}`)!;
    const [, ...rest] = shape as [number, number, number, number, number];
    const size = rest.reduce((all, dim) => all * dim, 1);
    return tf.tensor4d(values.slice(i * size, (i + 1) * size), rest);
  }
}

/** A config as a hub has it, and how it is gone through. */
export interface ScheduleCase {
  readonly config: Readonly<Record<string, unknown>>;
  readonly options: Readonly<Record<string, number>>;
}
