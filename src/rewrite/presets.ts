import type { RewriteOptions, Rule } from './options.js';

/** Options of `rewriteGraph` under a name, and what they are for. */
export interface Preset {
  readonly description: string;
  readonly options: Omit<RewriteOptions, 'stats'>;
}

/** What the final layer loses is in the picture as it is, and its weights are next to nothing. */
const FINAL: Rule = { role: 'final', treatment: 'skip' };

/**
 * adaLN is a third of a DiT's weights. Rounded to 4 bits as they are they cost 4 dB of the
 * velocity, beside their leading directions 0.5 dB; those of the weights, for calibration sees only
 * a few labels.
 */
const MODULATION: Rule = {
  role: 'modulation',
  treatment: 'transform',
  lowRank: 'auto',
  branch: 'weights',
  weights: { bits: 4 },
  activations: { bits: 8 },
};

/** The linear that loses most at 4 bits: 8 are worth more there than a branch of as many bytes. */
const MLP_OUT: Rule = { role: 'mlp.out', weights: { bits: 8 }, lowRank: 0 };

/**
 * Presets of `quantize` and of the command line: W is the bits of weights, A of activations. Plain
 * data: `{ ...PRESETS.W4A8.options, stats }` are options of `rewriteGraph`, and each is JSON.
 */
export const PRESETS = {
  W4A8: {
    description: 'small and good: 4 bits but for mlp.out, which has 8',
    options: {
      weights: { bits: 4 },
      activations: { bits: 8 },
      rules: [FINAL, MODULATION, MLP_OUT],
    },
  },
  'W4A8-small': {
    description: 'the smallest: 4 bits everywhere',
    options: { weights: { bits: 4 }, activations: { bits: 8 }, rules: [FINAL, MODULATION] },
  },
  W4A4: {
    description: 'no smaller than W4A8, and less exact: what papers compare methods at',
    options: {
      weights: { bits: 4 },
      activations: { bits: 4 },
      rules: [FINAL, MODULATION, { ...MLP_OUT, activations: { bits: 8 } }],
    },
  },
  W8A8: {
    description: 'hardly to be told from the original; a quarter of its size',
    options: { weights: { bits: 8 }, activations: { bits: 8 }, lowRank: 0, rules: [FINAL] },
  },
  'W8A8-safe': {
    description: 'the nearest to the original: embeddings stay in float32',
    options: {
      weights: { bits: 8 },
      activations: { bits: 8 },
      rules: [FINAL, { role: 'embedding', treatment: 'skip' }],
    },
  },
} as const satisfies Readonly<Record<string, Preset>>;

/** The name of one of `PRESETS`. */
export type PresetName = keyof typeof PRESETS;

/** One of `PRESETS`; null for any other name. */
export function presetNamed(name: string): Preset | null {
  return Object.hasOwn(PRESETS, name) ? PRESETS[name as PresetName] : null;
}
