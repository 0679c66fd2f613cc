import { type Fields, type Json, readConfig } from '../../../ops/common/configs.js';
import { readBoolean, readOneOf } from '../../../ops/common/readers.js';
import {
  combined,
  type Evaluation,
  PREDICTIONS,
  type Prediction,
  partsOf,
  SAMPLE,
} from './schedule.js';
import { alphasCumprod, evenly, rounded, type Training, trainingFields } from './tables.js';

interface Config extends Training {
  readonly prediction_type: Prediction;
  readonly final_sigmas_type: 'zero' | 'sigma_min';
  readonly lower_order_final: boolean;
  readonly euler_at_final: boolean;
}

const FIELDS: Fields<Config> = {
  read: {
    ...trainingFields('linspace'),
    prediction_type: { read: readOneOf(PREDICTIONS), absent: 'epsilon' },
    final_sigmas_type: { read: readOneOf(['zero', 'sigma_min']), absent: 'zero' },
    lower_order_final: { read: readBoolean, absent: true },
    euler_at_final: { read: readBoolean, absent: false },
  },
  only: {
    solver_order: [2, null],
    algorithm_type: ['dpmsolver++', null],
    solver_type: ['midpoint', null],
    trained_betas: [null],
    thresholding: [false, null],
    use_karras_sigmas: [false, null],
    use_exponential_sigmas: [false, null],
    use_beta_sigmas: [false, null],
    use_lu_lambdas: [false, null],
    use_flow_sigmas: [false, null],
    use_dynamic_shifting: [false, null],
    rescale_betas_zero_snr: [false, null],
  },
  ignored: [
    // only of learned variances, which the solver does without
    'variance_type',
    'dynamic_thresholding_ratio',
    'sample_max_value',
    'flow_shift',
    'time_shift_type',
    // −∞ but in JSON that cannot say so
    'lambda_min_clipped',
  ],
};

/**
 * DPM-Solver++ of second order, multistep (Lu et al. 2022, arXiv 2211.01095), as
 * DPMSolverMultistepScheduler has it.
 */
export function dpmSolver(op: string, json: Json, steps: number): Evaluation[] {
  const config = readConfig(op, json, FIELDS);
  const alphas = alphasCumprod(config);
  const ratio = (alpha: number) => Math.sqrt((1 - alpha) / alpha);
  const timesteps = timestepsOf(config, steps);
  const end = config.final_sigmas_type === 'zero' ? 0 : ratio(alphas[0]!);
  const noise = [...timesteps.map((timestep) => ratio(alphas[timestep]!)), end].map(Math.fround);
  const places = noise.map((sigma) => {
    const a = 1 / Math.sqrt(sigma ** 2 + 1);
    return { a, s: sigma * a, lambda: -Math.log(sigma) };
  });
  const few = config.lower_order_final && steps < 15;
  return timesteps.map((timestep, i) => {
    const [now, then] = [places[i]!, places[i + 1]!];
    const last = i === steps - 1;
    const first = i === 0 || (last && (config.euler_at_final || few || end === 0));
    const { data } = partsOf(config.prediction_type, now.a, now.s);
    const factor = then.a * -Math.expm1(now.lambda - then.lambda);
    // D0 + D1 / 2, with D1 by the slope of the step before
    const slope = first ? 0 : (then.lambda - now.lambda) / (now.lambda - places[i - 1]!.lambda) / 2;
    const next = combined(then.s / now.s, SAMPLE, factor * (1 + slope), data);
    return {
      timestep,
      next: { ...next, previous: -factor * slope, noise: 0 },
      kept: data,
      learned: null,
      completesStep: true,
    };
  });
}

/** From the noisiest on, without the place where there is none. */
function timestepsOf(config: Training, steps: number): number[] {
  const { num_train_timesteps: count, steps_offset: offset, timestep_spacing: spacing } = config;
  switch (spacing) {
    case 'linspace':
      return evenly(0, count - 1, steps + 1)
        .map(rounded)
        .reverse()
        .slice(0, -1);
    case 'leading': {
      const ratio = Math.floor(count / (steps + 1));
      const all = Array.from({ length: steps + 1 }, (_, i) => i * ratio + offset);
      return all.reverse().slice(0, -1);
    }
    case 'trailing':
      return Array.from({ length: steps }, (_, i) => rounded(count - (i * count) / steps) - 1);
    default:
      return spacing satisfies never;
  }
}
