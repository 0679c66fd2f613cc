import { type Bits, optionsOf } from '../../../src/cli/values.js';
import type { Method, RewriteOptions } from '../../../src/index.js';
import { withPreset } from '../../../src/rewrite/presetOptions.js';
import { presetNamed } from '../../../src/rewrite/presets.js';

/** A way to quantize that is evaluated. */
export interface Configuration {
  readonly description: string;
  readonly method: Method;
  /**
   * - `nearest`: the method at these bits, every weight to nearest; of no branch.
   * - `gptq`: the same, by GPTQ where weights have 4 bits and fewer, to nearest else.
   * - `preset`: the preset of these bits: its rules, and its branch.
   * - `small`: the preset that is smallest at these bits.
   * - `rank32`: the preset with branches of rank 32 everywhere.
   */
  readonly recipe: 'nearest' | 'gptq' | 'preset' | 'small' | 'rank32';
  /** Calibrated level by level while it is quantized, from the same batches. */
  readonly sequential?: boolean;
}

/** What is evaluated, by name, in the order of the tables. */
export const CONFIGURATIONS = {
  rtn: { description: 'no transform, to nearest', method: 'rtn', recipe: 'nearest' },
  gptq: { description: 'no transform, GPTQ', method: 'rtn', recipe: 'gptq' },
  smoothquant: { description: 'SmoothQuant, GPTQ', method: 'smoothquant', recipe: 'gptq' },
  hadamard: { description: 'QuaRot, GPTQ', method: 'hadamard', recipe: 'gptq' },
  centered: { description: 'centered, no rotation, GPTQ', method: 'centered', recipe: 'gptq' },
  'hadanorm-plain': {
    description: 'HadaNorm without a branch, GPTQ',
    method: 'hadanorm',
    recipe: 'gptq',
  },
  'hadamard-preset': {
    description: 'QuaRot with the branch and the rules of the preset',
    method: 'hadamard',
    recipe: 'preset',
  },
  hadanorm: { description: 'HadaNorm by the preset', method: 'hadanorm', recipe: 'preset' },
  'hadanorm-small': {
    description: 'HadaNorm by the smallest preset',
    method: 'hadanorm',
    recipe: 'small',
  },
  'hadamard-rank32': {
    description: 'QuaRot by the preset with branches of rank 32',
    method: 'hadamard',
    recipe: 'rank32',
  },
  'hadanorm-rank32': {
    description: 'HadaNorm by the preset with branches of rank 32',
    method: 'hadanorm',
    recipe: 'rank32',
  },
  'hadanorm-sequential': {
    description: 'HadaNorm by the preset, calibrated sequentially',
    method: 'hadanorm',
    recipe: 'preset',
    sequential: true,
  },
} as const satisfies Readonly<Record<string, Configuration>>;

/** The name of one of `CONFIGURATIONS`. */
export type ConfigurationName = keyof typeof CONFIGURATIONS;

/** In the order of the tables. */
export const CONFIGURATION_NAMES = Object.keys(CONFIGURATIONS) as readonly ConfigurationName[];

/** Whether a configuration is calibrated while it is quantized, rather than by the statistics. */
export function isSequential(name: ConfigurationName): boolean {
  const { sequential = false }: Configuration = CONFIGURATIONS[name];
  return sequential;
}

/** What the others are compared with: QuaRot + GPTQ, without a branch. */
export const BASELINE: ConfigurationName = 'hadamard';

/**
 * What a configuration asks of the rewriter; null where there is no such thing at these bits: no
 * preset, or one that is not apart from `rtn`.
 */
export function configured(
  name: ConfigurationName,
  bits: Bits,
): Omit<RewriteOptions, 'stats'> | null {
  const { method, recipe }: Configuration = CONFIGURATIONS[name];
  switch (recipe) {
    case 'nearest':
      return { ...optionsOf(bits, method, 'nearest'), lowRank: 0 };
    case 'gptq':
      // at more bits the plugin rounds to nearest, whatever the method
      if (method === 'rtn' && bits.weights > MOST_GPTQ_BITS) return null;
      return { ...optionsOf(bits, method, 'auto'), lowRank: 0 };
    case 'preset':
      return presetOf(bits.name, method);
    case 'small':
      return presetOf(`${bits.name}-small`, method);
    case 'rank32':
      // at 8 bits the preset has no branch, for there is nothing left to gain
      return bits.weights > MOST_GPTQ_BITS ? null : presetOf(bits.name, method, { lowRank: 32 });
    default:
      return recipe satisfies never;
  }
}

const MOST_GPTQ_BITS = 4;

function presetOf(
  name: string,
  method: Method,
  given: Pick<RewriteOptions, 'lowRank'> = {},
): Omit<RewriteOptions, 'stats'> | null {
  const preset = presetNamed(name);
  if (preset === null) return null;
  // QuaRot has no branch by itself: what the preset leaves to HadaNorm's default is said
  const options = { lowRank: 'auto' as const, ...preset.options };
  return { ...withPreset('evaluate', { ...preset, options }, given), method };
}
