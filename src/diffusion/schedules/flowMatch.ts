import { type Fields, type Json, readConfig, readSize } from '../../../ops/common/configs.js';
import { readBoolean, readFinite, readOneOf } from '../../../ops/common/readers.js';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import type { Evaluation } from './schedule.js';
import { evenly } from './tables.js';

interface Config {
  readonly num_train_timesteps: number;
  readonly shift: number;
  readonly use_dynamic_shifting: boolean;
  readonly time_shift_type: 'exponential' | 'linear';
}

const FIELDS: Fields<Config> = {
  read: {
    num_train_timesteps: { read: readSize, absent: 1000 },
    shift: { read: readFinite, absent: 1 },
    use_dynamic_shifting: { read: readBoolean, absent: false },
    time_shift_type: { read: readOneOf(['exponential', 'linear']), absent: 'exponential' },
  },
  only: {
    invert_sigmas: [false, null],
    shift_terminal: [null],
    use_karras_sigmas: [false, null],
    use_exponential_sigmas: [false, null],
    use_beta_sigmas: [false, null],
    stochastic_sampling: [false, null],
  },
  // by which pipelines find `mu`
  ignored: ['base_shift', 'max_shift', 'base_image_seq_len', 'max_image_seq_len'],
};

/** Euler's steps along a rectified flow, as FlowMatchEulerDiscreteScheduler has them. */
export function flowEuler(op: string, json: Json, steps: number, mu: number | null): Evaluation[] {
  const config = readConfig(op, json, FIELDS);
  const sigmas = sigmasOf(op, config, steps, mu);
  return sigmas.slice(0, -1).map((sigma, i) => ({
    timestep: timestepOf(config, sigma),
    next: { sample: 1, prediction: sigmas[i + 1]! - sigma, previous: 0, noise: 0 },
    kept: null,
    learned: null,
    completesStep: true,
  }));
}

/** Heun's, as FlowMatchHeunDiscreteScheduler has them: two runs a step, and one in the last. */
export function flowHeun(op: string, json: Json, steps: number): Evaluation[] {
  const config = readConfig(op, json, FIELDS);
  const sigmas = sigmasOf(op, config, steps, null);
  return sigmas.slice(0, -1).flatMap((sigma, i): Evaluation[] => {
    const length = sigmas[i + 1]! - sigma;
    const last = i === steps - 1;
    const there: Evaluation = {
      timestep: timestepOf(config, sigma),
      next: { sample: 1, prediction: length, previous: 0, noise: 0 },
      kept: last ? null : { sample: 0, prediction: 1 },
      learned: null,
      completesStep: last,
    };
    if (last) return [there];
    // from the step's end: half of the first velocity taken back, half of the second gone
    const half = length / 2;
    const next = { sample: 1, prediction: half, previous: -half, noise: 0 };
    const timestep = timestepOf(config, sigmas[i + 1]!);
    return [there, { timestep, next, kept: null, learned: null, completesStep: true }];
  });
}

function timestepOf({ num_train_timesteps: count }: Config, sigma: number): number {
  return Math.fround(sigma * count);
}

/** How much of the samples is noise, before each step, and at the end none. */
function sigmasOf(op: string, config: Config, steps: number, mu: number | null): number[] {
  const { num_train_timesteps: count, shift, use_dynamic_shifting: dynamic } = config;
  if (dynamic !== (mu !== null)) {
    const wanted = dynamic
      ? 'a number, for the config has use_dynamic_shifting'
      : 'absent: the config has no use_dynamic_shifting';
    throw new InvalidArgumentError(op, 'mu', wanted, `${mu ?? 'none'}`);
  }
  if (mu !== null) {
    // as the pipeline of Flux spreads them
    const even = evenly(1, 1 / steps, steps).map(Math.fround);
    const more = Math.fround(config.time_shift_type === 'exponential' ? Math.exp(mu) : mu);
    const rest = (t: number) => Math.fround(more + Math.fround(Math.fround(1 / t) - 1));
    return [...even.map((t) => Math.fround(more / rest(t))), 0];
  }
  const shifted = (t: number) => (shift * t) / (1 + (shift - 1) * t);
  const inFloat = (t: number) =>
    Math.fround(Math.fround(shift * t) / Math.fround(1 + Math.fround((shift - 1) * t)));
  const least = inFloat(Math.fround(1 / count));
  // shifted once for its ends, and once more between them: so are those of SD3
  const even = evenly(inFloat(1) * count, least * count, steps);
  return [...even.map((t) => Math.fround(shifted(t / count))), 0];
}
