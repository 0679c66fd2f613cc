import { nextFrame, type Tensor, type Tensor4D, tensor } from '@tensorflow/tfjs-core';
import { checkBackends, stillAlive, throughout } from '../../ops/common/alive.js';
import { checkCallback, throwIfAborted } from '../../ops/common/callers.js';
import { normalNumbers } from '../../ops/numerics/random.js';
import { Flow } from './flow.js';
import type { DitInputs, VelocityModel } from './model.js';
import type { DrawOptions, SampleProgress, TrajectoryOptions } from './options.js';
import { planOf, type SamplePlan } from './samplePlan.js';
import { StepRunner } from './stepRunner.js';

export type { DitInputs, VelocityModel } from './model.js';
export { SOLVERS, type Solver } from './options.js';
export { numClassesOf } from './samplePlan.js';

/** Normally distributed float32 noise: the same values for a seed, whatever the backend. */
export function seededNormal(shape: readonly number[], seed: number): Tensor {
  const next = normalNumbers(seed);
  const size = shape.reduce((product, dim) => product * dim, 1);
  return tensor(Float32Array.from({ length: size }, next), [...shape], 'float32');
}

/**
 * Follows samples from noise to data, and yields what the model is run on at each step, for
 * calibration say: one batch a step, with Heun as many as it runs the model.
 *
 * With guidance the yielded batch is twice as long: the labels, then none. Yielded tensors belong
 * to the caller.
 *
 * @param op Who is named in errors.
 * @throws InvalidArgumentError at once, for options that do not fit the model; later
 * AbortedError when cancelled, WebglContextLostError, WebgpuDeviceLostError where the backend's
 * device is lost.
 */
export function trajectory(
  model: VelocityModel,
  options: TrajectoryOptions,
  op = 'trajectory',
): AsyncGenerator<DitInputs, void> {
  return follow(op, model, planOf(op, model, options), options);
}

/**
 * Draws samples: float32 [labels, S, S, C], from seeded noise. Pictures are in [−1, 1], give or
 * take.
 *
 * Between steps other tasks of the page get their turn. On WebGPU the steps run from a recorded
 * plan, where the model can be recorded.
 *
 * @throws InvalidArgumentError for options that do not fit the model; AbortedError when cancelled;
 * WebglContextLostError, WebgpuDeviceLostError where the backend's device is lost.
 */
export async function sample(model: VelocityModel, options: DrawOptions): Promise<Tensor4D> {
  const plan = planOf('sample', model, options);
  checkCallback('sample', 'onStep', options.onStep);
  const flow = await begin(model, plan);
  try {
    while (flow.step < plan.steps) {
      await turn('sample', flow, options.signal);
      const { completesStep } = flow;
      await evaluate('sample', flow);
      if (!completesStep) continue;
      if (options.onStep) await lend(flow, plan, options.onStep);
      options.onProgress?.(progressOf(flow.step, plan.steps));
    }
    await stillAlive('sample', flow.tensors());
    return flow.samples();
  } finally {
    flow.dispose();
  }
}

async function* follow(
  op: string,
  model: VelocityModel,
  plan: SamplePlan,
  { signal, onProgress }: TrajectoryOptions,
): AsyncGenerator<DitInputs, void> {
  const total = Math.max(...plan.keep) + 1;
  const flow = await begin(model, plan);
  try {
    for (let done = 0; done < total; ) {
      await turn(op, flow, signal);
      const { step, completesStep } = flow;
      if (plan.keep.has(step)) yield flow.inputs();
      if (completesStep) done++;
      // where the last step ends nobody asks
      if (done < total) await evaluate(op, flow);
      if (completesStep) onProgress?.(progressOf(done, total));
    }
  } finally {
    flow.dispose();
  }
}

async function lend(
  flow: Flow,
  { steps }: SamplePlan,
  onStep: NonNullable<DrawOptions['onStep']>,
): Promise<void> {
  const samples = flow.samples();
  try {
    await onStep(samples, flow.step, steps);
  } finally {
    samples.dispose();
  }
}

function progressOf(done: number, total: number): SampleProgress {
  return { stage: 'sample', done, total, name: '' };
}

async function begin(model: VelocityModel, plan: SamplePlan): Promise<Flow> {
  const { steps, solver } = plan;
  const runner = await StepRunner.make(model, solver === 'euler' ? steps : 2 * steps - 1);
  return new Flow(runner, plan, seededNormal(plan.shape, plan.seed) as Tensor4D);
}

function evaluate(op: string, flow: Flow): Promise<void> {
  return throughout(op, flow.tensors(), () => flow.evaluate());
}

/** Lets other tasks run, one of which may abort, or lose what there is. */
async function turn(op: string, flow: Flow, signal: AbortSignal | null | undefined): Promise<void> {
  await nextFrame();
  throwIfAborted(op, signal);
  checkBackends(op, flow.tensors());
}
