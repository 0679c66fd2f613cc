import type { RewriteOptions } from './options.js';

/** Options of `rewriteGraph` under a name, and what they are for. */
export interface Preset {
  readonly description: string;
  readonly options: Omit<RewriteOptions, 'stats'>;
}

/** Presets of `quantize` and of the command line: W is the bits of weights, A of activations. */
export const PRESETS = {
  W8A8: {
    description: 'hardly to be told from the original; a quarter of its size',
    options: { weights: { bits: 8 }, activations: { bits: 8 } },
  },
  W4A8: {
    description: 'small and good; products of 8 by 4 bits are the fastest',
    options: { weights: { bits: 4 }, activations: { bits: 8 } },
  },
  W4A4: {
    description: 'no smaller than W4A8, and less exact: what papers compare methods at',
    options: { weights: { bits: 4 }, activations: { bits: 4 } },
  },
} as const satisfies Readonly<Record<string, Preset>>;

/** The name of one of `PRESETS`. */
export type PresetName = keyof typeof PRESETS;
