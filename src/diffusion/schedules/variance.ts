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

const VARIANCES = ['fixed_small', 'fixed_large', 'learned_range'] as const;

interface DdimConfig extends Training {
  readonly prediction_type: Prediction;
  readonly set_alpha_to_one: boolean;
}

interface DdpmConfig extends Training {
  readonly prediction_type: Prediction;
  readonly variance_type: (typeof VARIANCES)[number];
}

/** Samples are latents: what bounds pictures to −1 … 1 has no place. */
const NO_CLIPPING = {
  thresholding: [false, null],
  rescale_betas_zero_snr: [false, null],
  trained_betas: [null],
};
const OF_CLIPPING = ['clip_sample_range', 'dynamic_thresholding_ratio', 'sample_max_value'];
const PREDICTION = { read: readOneOf(PREDICTIONS), absent: 'epsilon' } as const;

const DDIM: Fields<DdimConfig> = {
  read: {
    ...trainingFields('leading'),
    prediction_type: PREDICTION,
    set_alpha_to_one: { read: readBoolean, absent: true },
  },
  only: { ...NO_CLIPPING, clip_sample: [false] },
  ignored: OF_CLIPPING,
};

const DDPM: Fields<DdpmConfig> = {
  read: {
    ...trainingFields('leading'),
    prediction_type: PREDICTION,
    variance_type: { read: readOneOf(VARIANCES), absent: 'fixed_small' },
  },
  only: { ...NO_CLIPPING, clip_sample: [false] },
  ignored: OF_CLIPPING,
};

/** DDIM (Song et al. 2020, arXiv 2010.02502, formulas 12 and 16), as DDIMScheduler has it. */
export function ddim(op: string, json: Json, steps: number, eta: number): Evaluation[] {
  const config = readConfig(op, json, DDIM);
  const alphas = alphasCumprod(config);
  const back = Math.floor(config.num_train_timesteps / steps);
  const last = config.set_alpha_to_one ? 1 : alphas[0]!;
  return timestepsOf(config, steps).map((timestep) => {
    const [now, before] = [alphas[timestep]!, alphas[timestep - back] ?? last];
    const { data, noise } = partsOf(config.prediction_type, Math.sqrt(now), Math.sqrt(1 - now));
    const deviation = eta * Math.sqrt(((1 - before) / (1 - now)) * (1 - now / before));
    const direction = Math.sqrt(1 - before - deviation ** 2);
    const next = combined(Math.sqrt(before), data, direction, noise);
    return whole(timestep, { ...next, previous: 0, noise: deviation });
  });
}

/** DDPM (Ho et al. 2020, arXiv 2006.11239, formula 7), as DDPMScheduler has it. */
export function ddpm(op: string, json: Json, steps: number): Evaluation[] {
  const config = readConfig(op, json, DDPM);
  const alphas = alphasCumprod(config);
  const timesteps = timestepsOf(config, steps);
  return timesteps.map((timestep, i) => {
    const [now, before] = [alphas[timestep]!, alphas[timesteps[i + 1] ?? -1] ?? 1];
    const { data } = partsOf(config.prediction_type, Math.sqrt(now), Math.sqrt(1 - now));
    const beta = 1 - now / before;
    const ofData = (Math.sqrt(before) * beta) / (1 - now);
    const ofSample = (Math.sqrt(now / before) * (1 - before)) / (1 - now);
    const mean = combined(ofData, data, ofSample, SAMPLE);
    // its logarithm is taken
    const small = Math.max(((1 - before) / (1 - now)) * beta, 1e-20);
    if (timestep === 0) return whole(timestep, { ...mean, previous: 0, noise: 0 });
    if (config.variance_type === 'learned_range') {
      const learned = { minLog: Math.log(small), maxLog: Math.log(beta) };
      return { ...whole(timestep, { ...mean, previous: 0, noise: 1 }), learned };
    }
    const noise = Math.sqrt(config.variance_type === 'fixed_small' ? small : beta);
    return whole(timestep, { ...mean, previous: 0, noise });
  });
}

function whole(timestep: number, next: Evaluation['next']): Evaluation {
  return { timestep, next, kept: null, learned: null, completesStep: true };
}

/** From the noisiest on. */
function timestepsOf(config: Training, steps: number): number[] {
  const { num_train_timesteps: count, steps_offset: offset, timestep_spacing: spacing } = config;
  switch (spacing) {
    case 'linspace':
      return evenly(0, count - 1, steps)
        .map(rounded)
        .reverse();
    case 'leading': {
      const ratio = Math.floor(count / steps);
      return Array.from({ length: steps }, (_, i) => i * ratio + offset).reverse();
    }
    case 'trailing':
      return Array.from({ length: steps }, (_, i) => rounded(count - (i * count) / steps) - 1);
    default:
      return spacing satisfies never;
  }
}
