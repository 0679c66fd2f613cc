import type { Ref } from '../../graph/ir.js';
import { type Heads, inHeads, type Parts } from '../net/attention.js';
import { halvesOrder } from '../net/layout.js';
import { type Net, nameOf, type Tokens } from '../net/net.js';

/** Angles of rotary embeddings: cos and sin, [1, 1, tokens, headSize / 2]. */
export interface Rotary {
  readonly cos: Ref;
  readonly sin: Ref;
}

/** How a stream's queries, keys and values are projected. */
export interface Projection {
  /** The names of the linears, and of the norms of q and k; null: none. */
  readonly linears: readonly [q: string, k: string, v: string];
  readonly norms: readonly [q: string, k: string] | null;
  /** Whether channels are put in the order that `rotated` wants. */
  readonly halves: boolean;
}

/** The stream of latents, and that of the text, by diffusers' names. */
export const LATENT = {
  linears: ['to_q', 'to_k', 'to_v'],
  norms: ['norm_q', 'norm_k'],
} as const;
export const TEXT = {
  linears: ['add_q_proj', 'add_k_proj', 'add_v_proj'],
  norms: ['norm_added_q', 'norm_added_k'],
} as const;

/** Queries, keys and values of one stream, in heads. */
export function project(
  net: Net,
  key: string,
  x: Tokens,
  heads: Heads,
  { linears, norms, halves }: Projection,
): Parts {
  const { heads: count, headSize } = heads;
  const order = halves ? halvesOrder(count, headSize) : undefined;
  const within = halves ? halvesOrder(1, headSize) : undefined;
  const [q, k, v] = linears.map((linear, i) => {
    const reordered = order === undefined || i === 2 ? {} : { outputs: order };
    const projected = net.linear(`${key}.${linear}`, x, count * headSize, reordered);
    const part = inHeads(net, nameOf(`${key}.${linear}`), projected, heads);
    const norm = norms?.[i];
    return norm === undefined ? part : net.rmsNorm(`${key}.${norm}`, part, headSize, within);
  });
  return { q: q!, k: k!, v: v!, tokens: x.tokens };
}

/** The tokens of two streams, one after the other. */
export function together(net: Net, name: string, a: Parts, b: Parts): Parts {
  const both = (part: 'q' | 'k' | 'v') =>
    net.graph.concat(`${name}/${part}`, [a[part], b[part]], 2);
  return { q: both('q'), k: both('k'), v: both('v'), tokens: a.tokens + b.tokens };
}

/** Pairs turned by their tokens' angles; the pairs of a head are its halves, see `halvesOrder`. */
export function rotated(net: Net, name: string, x: Ref, { cos, sin }: Rotary): Ref {
  const [a, b] = net.split(`${name}/halves`, x, 3, 2);
  const product = (what: string, half: Ref, by: Ref) => net.mul(`${name}/${what}`, half, by);
  const real = net.graph.node('Sub', `${name}/real`, [
    product('aCos', a!, cos),
    product('bSin', b!, sin),
  ]);
  const imaginary = net.add(
    `${name}/imaginary`,
    product('bCos', b!, cos),
    product('aSin', a!, sin),
  );
  return net.graph.concat(`${name}/rotated`, [real, imaginary], 3);
}

/** The MLP of a stream, normed, modulated and gated. */
export function tail(
  net: Net,
  key: string,
  x: Tokens,
  [norm, feed]: readonly [string, string],
  [shift, scale, gate]: readonly Ref[],
): Tokens {
  const name = nameOf(key);
  const normed = net.normed(`${name}/${norm}`, x);
  const second = net.modulated(`${name}/${norm}`, normed, shift!, scale!);
  const out = net.feedForward(`${key}.${feed}`, second);
  return net.residual(`${name}/${feed}`, x, out, gate!);
}
