import { checkOptions, checkPlain } from '../../../ops/common/checks.js';
import type { Json } from '../../../ops/common/configs.js';
import { readFinite, readInteger } from '../../../ops/common/readers.js';
import { describe, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { dpmSolver } from './dpm.js';
import { flowEuler, flowHeun } from './flowMatch.js';
import type { Evaluation, Schedule } from './schedule.js';
import { ddim, ddpm } from './variance.js';

/** How a schedule is gone through. */
export interface NoiseScheduleOptions {
  /** Steps from noise to data. Default 20. */
  readonly steps?: number;
  /** Of DDIM: how much noise is added on the way, 0 … 1. Default 0: none. */
  readonly eta?: number;
  /** Of flows whose config has `use_dynamic_shifting`: the shift, which pipelines find by size. */
  readonly mu?: number;
}

/** What an absent option means. */
export const NOISE_SCHEDULE_DEFAULTS = {
  steps: 20,
  eta: 0,
} as const satisfies NoiseScheduleOptions;

type Make = (op: string, config: Json, given: Given) => Evaluation[];

interface Given {
  readonly steps: number;
  readonly eta: number;
  readonly mu: number | null;
}

const CLASSES: Readonly<Record<string, Make>> = {
  DDIMScheduler: (op, config, { steps, eta }) => ddim(op, config, steps, eta),
  DDPMScheduler: (op, config, { steps }) => ddpm(op, config, steps),
  DPMSolverMultistepScheduler: (op, config, { steps }) => dpmSolver(op, config, steps),
  FlowMatchEulerDiscreteScheduler: (op, config, { steps, mu }) => flowEuler(op, config, steps, mu),
  FlowMatchHeunDiscreteScheduler: (op, config, { steps }) => flowHeun(op, config, steps),
};

/**
 * A schedule by a hub's `scheduler_config.json`: diffusers' DDIM, DDPM (learned sigma too),
 * DPM-Solver++ (2M) and flow matching by Euler and Heun, with their shifts.
 *
 * @param config The file, parsed; `_class_name` alone is enough, the rest has diffusers' defaults.
 * @throws InvalidArgumentError for another class, and for what is not supported of one.
 *
 * @example
 * ```ts
 * import { noiseSchedule } from 'tfjs-hadanorm/load';
 *
 * // as DiT-XL/2 has it
 * const config = { _class_name: 'DDIMScheduler', beta_schedule: 'linear', clip_sample: false };
 * const { evaluations } = noiseSchedule(config, { steps: 10 });
 * console.log(evaluations.map(({ timestep }) => timestep)); // 900, 800, … 0
 * ```
 */
export function noiseSchedule(config: Json, options: NoiseScheduleOptions = {}): Schedule {
  const op = 'noiseSchedule';
  checkPlain(op, 'config', config);
  checkOptions(op, options, ['steps', 'eta', 'mu']);
  const { _class_name: name } = config as Json;
  if (typeof name !== 'string' || !Object.hasOwn(CLASSES, name)) {
    const wanted = Object.keys(CLASSES).join(', ');
    throw new InvalidArgumentError(op, 'config._class_name', wanted, describe(name));
  }
  const by = { op };
  const { steps = NOISE_SCHEDULE_DEFAULTS.steps, eta = NOISE_SCHEDULE_DEFAULTS.eta, mu } = options;
  readInteger(1, 1000)(steps, 'steps', by);
  if (!(readFinite(eta, 'eta', by) >= 0 && eta <= 1)) {
    throw new InvalidArgumentError(op, 'eta', 'from 0 to 1', `${eta}`);
  }
  const given = { steps, eta, mu: mu === undefined ? null : readFinite(mu, 'mu', by) };
  return { name, steps, evaluations: CLASSES[name]!(op, config, given) };
}
