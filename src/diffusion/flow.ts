import {
  add,
  clone,
  concat,
  dispose,
  fill,
  mul,
  slice,
  sub,
  type Tensor1D,
  type Tensor4D,
  tensor1d,
  tidy,
} from '@tensorflow/tfjs-core';
import type { DitInputs } from './model.js';
import type { SamplePlan } from './samplePlan.js';
import type { StepRunner } from './stepRunner.js';

/**
 * Samples on their way from noise to data along dx/dt = v(x, t), one evaluation of the model at a
 * time.
 *
 * A step of length h is x + h v(x, t) by Euler. By Heun it is x + h (v(x, t) + v(x′, t + h)) / 2,
 * with x′ the Euler step's end; but the last step is Euler's, as in EDM (Karras et al. 2022,
 * algorithm 1): a model is trained on times below 1, and the order of the whole stays two.
 */
export class Flow {
  /** The step that the next evaluation belongs to; `plan.steps` at the end. */
  step = 0;
  /** x at the step's beginning; at the end the samples. */
  private start: Tensor4D;
  /** Within a step of Heun's: v at its beginning, and x′. */
  private first: { readonly velocity: Tensor4D; readonly end: Tensor4D } | null = null;

  /**
   * @param runner Of the model; becomes the flow's own.
   * @param noise The samples at t = 0, of `plan.shape`; becomes the flow's own.
   */
  constructor(
    private readonly runner: StepRunner,
    private readonly plan: SamplePlan,
    noise: Tensor4D,
  ) {
    this.start = noise;
  }

  /** Whether the next evaluation is the last of its step. */
  get completesStep(): boolean {
    const { solver, steps } = this.plan;
    return solver === 'euler' || this.first !== null || this.step === steps - 1;
  }

  /**
   * What the model is run on next; the caller's. With guidance twice as long: the labels, then
   * none.
   */
  inputs(): DitInputs {
    const { labels, guidance, steps } = this.plan;
    const none = guidance === undefined ? [] : labels.map(() => guidance.none);
    const all = [...labels, ...none];
    const x = this.first === null ? this.start : this.first.end;
    const t = (this.first === null ? this.step : this.step + 1) / steps;
    return tidy(() => ({
      latent: guidance === undefined ? clone(x) : concat([x, x]),
      timestep: fill([all.length], t) as Tensor1D,
      label: tensor1d(all, 'int32'),
    }));
  }

  /** Runs the model once. */
  evaluate(): void {
    if (!this.completesStep) {
      this.first = tidy(() => {
        // a clone: what a model gives may be its own
        const velocity = clone(this.velocity());
        return { velocity, end: this.moved(velocity) };
      });
      return;
    }
    const { start, first } = this;
    this.start = tidy(() => {
      const velocity = this.velocity();
      return this.moved(first === null ? velocity : mul(add(first.velocity, velocity), 0.5));
    });
    this.first = null;
    this.step++;
    dispose([start, ...(first === null ? [] : [first.velocity, first.end])]);
  }

  /** The samples as they are; the caller's. */
  samples(): Tensor4D {
    return clone(this.start);
  }

  /** All that the flow has. */
  tensors(): Tensor4D[] {
    return [this.start, ...(this.first === null ? [] : [this.first.velocity, this.first.end])];
  }

  dispose(): void {
    this.runner.dispose();
    dispose(this.tensors());
  }

  /** One step from its beginning along a velocity. */
  private moved(velocity: Tensor4D): Tensor4D {
    return add(this.start, mul(velocity, 1 / this.plan.steps));
  }

  private velocity(): Tensor4D {
    const { guidance, labels } = this.plan;
    const velocity = this.runner.run(this.inputs()) as Tensor4D;
    if (guidance === undefined) return velocity;
    const labelled = slice(velocity, 0, labels.length);
    const none = slice(velocity, labels.length, labels.length);
    return add(none, mul(sub(labelled, none), guidance.cfg));
  }
}
