import type { Ref } from '../../../src/graph/ir.js';
import type { Role } from '../../../src/index.js';
import type { Kit, Tokens } from './kit.js';
import { norm } from './layers.js';
import { type LinearForm, tokenLinear } from './linears.js';

export interface AttentionSpec {
  readonly heads: number;
  /** Which projections are one linear. */
  readonly joined: 'qkv' | 'kv' | 'none';
  readonly split: 'equal' | 'sizes' | 'slice';
  /** What the 1/√c is multiplied with. */
  readonly scale: 'q' | 'scores' | 'divided';
  readonly softmax: 'plain' | 'rows' | 'merged';
  readonly mask: boolean;
  readonly qkNorm: boolean;
  readonly rope: boolean;
}

export const PLAIN_ATTENTION: AttentionSpec = {
  heads: 2,
  joined: 'qkv',
  split: 'equal',
  scale: 'scores',
  softmax: 'plain',
  mask: false,
  qkNorm: false,
  rope: false,
};

type Kind = 'attention' | 'crossAttention' | 'jointAttention';

/** Queries, keys and values as [batch, tokens, d]. */
export interface Projections {
  readonly q: Tokens;
  readonly k: Tokens;
  readonly v: Tokens;
}

/** Projects queries from x and keys and values from `source`. */
export function project(
  kit: Kit,
  x: Tokens,
  source: Tokens,
  spec: AttentionSpec,
  form: LinearForm,
  kind: Kind,
): Projections {
  const { d } = x;
  const linear = (from: Tokens, n: number, part: string) =>
    tokenLinear(kit, from, n, `${kind}.${part}` as Role, form);
  if (spec.joined === 'qkv' && source === x) {
    const all = linear(x, 3 * d, 'qkv');
    const [q, k, v] = cut(kit, all, 3, spec.split);
    return { q: q!, k: k!, v: v! };
  }
  const q = linear(x, d, 'q');
  if (spec.joined !== 'none') {
    const part = kind === 'jointAttention' ? 'qkv' : 'kv';
    const [k, v] = cut(kit, linear(source, 2 * d, part), 2, spec.split);
    return { q, k: k!, v: v! };
  }
  return { q, k: linear(source, d, 'k'), v: linear(source, d, 'v') };
}

/** softmax(q kᵀ) v on [batch, tokens, d]. */
export function attend(k: Kit, parts: Projections, spec: AttentionSpec): Tokens {
  const { q, k: key, v } = parts;
  const channels = q.d / spec.heads;
  // heads and samples on one axis, where the counts are known
  const merged = spec.softmax === 'merged' && q.count > 0 && key.count > 0;
  const transposed = (x: Tokens, isValue = false) => {
    const heads = toHeads(k, x, spec.heads);
    const normed = spec.qkNorm && !isValue ? norm(k, heads, channels, 'rms') : heads;
    const y = k.transpose(normed, [0, 2, 1, 3]);
    const placed = spec.rope && !isValue ? rope(k, y, x.count, channels) : y;
    return merged ? k.reshape(placed, [-1, x.count, channels]) : placed;
  };
  const scores = scaledScores(k, transposed(q), transposed(key), spec, channels);
  const mask = [...(merged ? [1] : [1, 1]), Math.max(q.count, 1), Math.max(key.count, 1)];
  const masked = spec.mask ? k.add(scores, k.weight(mask, 1)) : scores;
  const mixed = k.batchMatMul(softmaxOf(k, masked, spec.softmax), transposed(v, true));
  const inHeads = merged ? k.reshape(mixed, [-1, spec.heads, q.count, channels]) : mixed;
  const joined = k.transpose(inHeads, [0, 2, 1, 3]);
  const ref =
    q.count > 0 ? k.reshape(joined, [-1, q.count, q.d]) : k.reshapeLike(joined, joined, 2, [q.d]);
  return { ref, count: q.count, d: q.d };
}

/** Parts of the last axis. */
export function cut(
  k: Kit,
  { ref, count, d }: Tokens,
  parts: number,
  how: AttentionSpec['split'],
): Tokens[] {
  const size = d / parts;
  const whole = (x: Ref): Tokens => ({ ref: x, count, d: size });
  if (how === 'equal') return k.split(ref, -1, parts).map(whole);
  if (how === 'sizes') return k.splitSizes(ref, 2, new Array(parts).fill(size)).map(whole);
  return Array.from({ length: parts }, (_, i) => {
    const begin = k.ints([0, 0, i * size]);
    return whole(k.node('Slice', [ref, begin, k.ints([-1, -1, size])]));
  });
}

function scaledScores(
  k: Kit,
  q: Ref,
  key: Ref,
  { scale: how }: AttentionSpec,
  channels: number,
): Ref {
  const scale = 1 / Math.sqrt(channels);
  if (how === 'q') return k.batchMatMul(k.mul(q, k.scalar(scale)), key, true);
  const scores = k.batchMatMul(q, key, true);
  return how === 'scores'
    ? k.mul(scores, k.scalar(scale))
    : k.node('RealDiv', [scores, k.scalar(1 / scale)]);
}

function softmaxOf(k: Kit, scores: Ref, how: AttentionSpec['softmax']): Ref {
  if (how !== 'rows') return k.node('Softmax', [scores]);
  const last = k.node('StridedSlice', [
    k.node('Shape', [scores]),
    k.ints([-1]),
    k.ints([2 ** 30]),
    k.ints([1]),
  ]);
  const rows = k.node('Reshape', [scores, k.concat([k.ints([-1]), last], 0)]);
  return k.node('Reshape', [k.node('Softmax', [rows]), k.node('Shape', [scores])]);
}

/** [batch, tokens, d] → [batch, tokens, heads, d / heads]. */
function toHeads(k: Kit, { ref, count, d }: Tokens, heads: number): Ref {
  return count > 0
    ? k.reshape(ref, [-1, count, heads, d / heads])
    : k.reshapeLike(ref, ref, 1, [heads, d / heads]);
}

/** x cos + (−x₂, x₁) sin on [batch, heads, tokens, c]. */
function rope(k: Kit, x: Ref, count: number, channels: number): Ref {
  const shape = [1, 1, Math.max(count, 1), channels];
  const [first, second] = k.split(x, 3, 2);
  const transposed = k.concat([k.node('Neg', [second!]), first!], 3);
  return k.add(k.mul(x, k.weight(shape, 0.5)), k.mul(transposed, k.weight(shape, 0.5)));
}
