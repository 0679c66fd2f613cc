import fc from 'fast-check';
import type { AttentionSpec } from './attention.js';
import { ACTIVATION_FORMS, MLP_FORMS, type MlpSpec, NORM_FORMS } from './layers.js';
import { LINEAR_FORMS } from './linears.js';
import type { BlockSpec, TransformerSpec } from './transformer.js';

const WIDTHS = [12, 20, 24, 36, 40, 48] as const;

const attention: fc.Arbitrary<AttentionSpec> = fc.record({
  heads: fc.constantFrom(1, 2),
  joined: fc.constantFrom('qkv', 'kv', 'none'),
  split: fc.constantFrom('equal', 'sizes', 'slice'),
  scale: fc.constantFrom('q', 'scores', 'divided'),
  softmax: fc.constantFrom('plain', 'rows', 'merged'),
  mask: fc.boolean(),
  qkNorm: fc.boolean(),
  rope: fc.boolean(),
});

const mlp: fc.Arbitrary<MlpSpec> = fc.record({
  form: fc.constantFrom(...MLP_FORMS),
  activation: fc.constantFrom(...ACTIVATION_FORMS),
  hidden: fc.constantFrom(...WIDTHS),
});

const block: fc.Arbitrary<BlockSpec> = fc.record({
  attention,
  cross: fc.option(attention),
  mlp,
  parallel: fc.boolean(),
  linear: fc.constantFrom(...LINEAR_FORMS),
});

/** Transformers from any choice of parts. */
export const transformers: fc.Arbitrary<TransformerSpec> = fc.record({
  d: fc.constantFrom(...WIDTHS),
  tokens: fc.constantFrom(-1, 5, 6),
  norm: fc.constantFrom(...NORM_FORMS),
  modulation: fc.constantFrom('zero', 'parts', 'single', 'none'),
  blocks: fc.array(block, { minLength: 1, maxLength: 2 }),
  caption: fc.boolean(),
  extras: fc.boolean(),
  seed: fc.integer({ min: 1, max: 1000 }),
});

/** The same without any attention. */
export const withoutAttention: fc.Arbitrary<TransformerSpec> = transformers.map((spec) => ({
  ...spec,
  blocks: spec.blocks.map((part) => ({ ...part, attention: null, cross: null })),
}));
