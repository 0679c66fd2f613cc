import { type Field, readSize } from '../../../ops/common/configs.js';
import { readFinite, readInteger, readOneOf } from '../../../ops/common/readers.js';

const SCHEDULES = ['linear', 'scaled_linear', 'squaredcos_cap_v2'] as const;
const SPACINGS = ['linspace', 'leading', 'trailing'] as const;

/** How noise was added in training, and how steps are spread over it. */
export interface Training {
  readonly num_train_timesteps: number;
  readonly beta_start: number;
  readonly beta_end: number;
  readonly beta_schedule: (typeof SCHEDULES)[number];
  readonly timestep_spacing: (typeof SPACINGS)[number];
  readonly steps_offset: number;
}

/** The fields of `Training` in a scheduler's config, as diffusers has their defaults. */
export const trainingFields = (
  spacing: Training['timestep_spacing'],
): { readonly [K in keyof Training]: Field<Training[K]> } => ({
  num_train_timesteps: { read: readSize, absent: 1000 },
  beta_start: { read: readFinite, absent: 0.0001 },
  beta_end: { read: readFinite, absent: 0.02 },
  beta_schedule: { read: readOneOf(SCHEDULES), absent: 'linear' },
  timestep_spacing: { read: readOneOf(SPACINGS), absent: spacing },
  steps_offset: { read: readInteger(0), absent: 0 },
});

/**
 * ᾱ by timestep: how much of the data's variance is left. In float32 as PyTorch has it, to the
 * bit: what models are sampled with elsewhere.
 */
export function alphasCumprod(training: Training): Float32Array {
  let product = 1;
  return Float32Array.from(betasOf(training), (beta) => {
    product *= Math.fround(1 - beta);
    return product;
  });
}

function betasOf(training: Training): Float32Array {
  const { beta_schedule: kind, beta_start: start, beta_end: end } = training;
  const { num_train_timesteps: count } = training;
  switch (kind) {
    case 'linear':
      return linspace(start, end, count);
    case 'scaled_linear':
      return linspace(Math.sqrt(start), Math.sqrt(end), count).map((root) => root * root);
    case 'squaredcos_cap_v2': {
      const bar = (t: number) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;
      return Float32Array.from({ length: count }, (_, i) =>
        Math.min(1 - bar((i + 1) / count) / bar(i / count), 0.999),
      );
    }
    default:
      return kind satisfies never;
  }
}

/** As torch.linspace in float32, from both ends. */
function linspace(from: number, to: number, count: number): Float32Array {
  const [start, end] = [Math.fround(from), Math.fround(to)];
  const step = count === 1 ? 0 : Math.fround(Math.fround(end - start) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) =>
    i < count / 2 ? start + step * i : end - step * (count - 1 - i),
  );
}

/** As numpy.linspace. */
export function evenly(from: number, to: number, count: number): number[] {
  const step = count === 1 ? 0 : (to - from) / (count - 1);
  return Array.from({ length: count }, (_, i) => from + i * step);
}

/** Half to even, as numpy.round. */
export function rounded(x: number): number {
  const near = Math.round(x);
  return near - x === 0.5 && near % 2 !== 0 ? near - 1 : near;
}
