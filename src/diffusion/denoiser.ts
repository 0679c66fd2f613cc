import {
  add,
  concat,
  dispose,
  exp,
  fill,
  keep,
  mul,
  type NamedTensorMap,
  slice,
  sub,
  type Tensor,
  type Tensor4D,
  tensor4d,
  tidy,
} from '@tensorflow/tfjs-core';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { normalNumbers } from '../../ops/numerics/random.js';
import type { DenoisePlan } from './denoisePlan.js';
import type { DenoisingModel } from './model.js';
import type { Evaluation } from './schedules/schedule.js';

/** Samples on their way from noise to data by a schedule, one run of the model at a time. */
export class Denoiser {
  /** Of the evaluations; their number at the end. */
  at = 0;
  private samples: Tensor4D;
  private kept: Tensor4D | null = null;

  /** @param noise Draws noise of the plan's shape: first the samples, then what steps add. */
  constructor(
    private readonly op: string,
    private readonly model: DenoisingModel,
    private readonly plan: DenoisePlan,
    private readonly noise: () => Tensor4D = seededNoise(plan),
  ) {
    this.samples = keep(noise());
  }

  get evaluation(): Evaluation | undefined {
    return this.plan.schedule.evaluations[this.at];
  }

  /** What the model is run on next; the caller's. With guidance once more, without what guides. */
  inputs(): NamedTensorMap {
    const { plan, samples } = this;
    const { guidance, shape, timestepScale } = plan;
    const times = this.evaluation!.timestep * timestepScale;
    return tidy(() => {
      const twice = (x: Tensor, other: Tensor) =>
        guidance === null ? x.clone() : concat([x, other]);
      const rest = Object.entries(plan.inputs).map(([name, x]) => {
        return [name, twice(x, guidance?.inputs[name] ?? x)];
      });
      const timestep = fill([shape[0] * (guidance === null ? 1 : 2)], times);
      return { ...Object.fromEntries(rest), latent: twice(samples, samples), timestep };
    });
  }

  /** Runs the model once. */
  evaluate(): void {
    const before = this.tensors();
    const [samples, kept] = tidy(() => this.evaluated());
    this.samples = keep(samples!);
    this.kept = kept === undefined ? null : keep(kept);
    this.at++;
    dispose(before);
  }

  /** The samples after a run, and what is kept for the next. */
  private evaluated(): Tensor4D[] {
    const { next, kept, learned } = this.evaluation!;
    const { prediction, variance } = this.predicted();
    const parts: [Tensor, number][] = [
      [this.samples, next.sample],
      [prediction, next.prediction],
    ];
    if (this.kept !== null) parts.push([this.kept, next.previous]);
    if (learned !== null) parts.push([mul(this.noise(), spread(variance!, learned)), 1]);
    else if (next.noise !== 0) parts.push([this.noise(), next.noise]);
    const own: [Tensor, number][] =
      kept === null
        ? []
        : [
            [this.samples, kept.sample],
            [prediction, kept.prediction],
          ];
    return own.length === 0 ? [sumOf(parts)] : [sumOf(parts), sumOf(own)];
  }

  /** The samples as they are; the caller's. */
  latents(): Tensor4D {
    return this.samples.clone();
  }

  tensors(): Tensor4D[] {
    return [this.samples, ...(this.kept === null ? [] : [this.kept])];
  }

  dispose(): void {
    dispose(this.tensors());
  }

  /** What the model predicts, guided, and where it does the variance. */
  private predicted(): { prediction: Tensor4D; variance: Tensor4D | null } {
    const { guidance, shape } = this.plan;
    const all = this.model.predict(this.inputs()) as Tensor4D;
    const [samples, height, width, channels] = shape;
    const given = all.shape[3];
    const { learned } = this.evaluation!;
    if (given !== 2 * channels && (given !== channels || learned !== null)) {
      const wanted = `one whose output has ${channels} channels, twice that with a variance`;
      const variance = learned === null ? '' : ', which this schedule takes';
      throw new InvalidArgumentError(this.op, 'model', `${wanted}${variance}`, `${given} channels`);
    }
    const part = (from: number, channel: number): Tensor4D =>
      slice(all, [from, 0, 0, channel], [samples, height, width, channels]);
    const variance = given === channels ? null : part(0, channels);
    const guided = part(0, 0);
    if (guidance === null) return { prediction: guided, variance };
    const none = part(samples, 0);
    return { prediction: add(none, mul(sub(guided, none), guidance.scale)), variance };
  }
}

/** One stream of numbers, the same on every backend. */
function seededNoise({ seed, shape }: DenoisePlan): () => Tensor4D {
  const random = normalNumbers(seed);
  const [a, b, c, d] = shape;
  return () => tensor4d(Float32Array.from({ length: a * b * c * d }, random), [a, b, c, d]);
}

/** The noise's factor that a model chooses between two, by −1 … 1. */
function spread(variance: Tensor, { minLog, maxLog }: NonNullable<Evaluation['learned']>): Tensor {
  const logs = add(mul(variance, (maxLog - minLog) / 4), (maxLog + minLog) / 4);
  return exp(logs);
}

function sumOf(parts: readonly (readonly [Tensor, number])[]): Tensor4D {
  return parts
    .filter(([, factor]) => factor !== 0)
    .map(([x, factor]): Tensor4D => mul(x, factor))
    .reduce((all, one) => add(all, one));
}
