/** What a linear does in the model, found by data flow: see `describeGraph`. */
export const ROLES = [
  'attention.qkv',
  'attention.q',
  'attention.k',
  'attention.v',
  'attention.kv',
  'attention.out',
  'crossAttention.q',
  'crossAttention.k',
  'crossAttention.v',
  'crossAttention.kv',
  'crossAttention.out',
  'jointAttention.qkv',
  'jointAttention.q',
  'jointAttention.k',
  'jointAttention.v',
  'jointAttention.out',
  'mlp.in',
  'mlp.gate',
  'mlp.out',
  'modulation',
  'embedding',
  'final',
  'other',
] as const;

/** See `ROLES`. */
export type Role = (typeof ROLES)[number];
