import { attr } from '../../graph/attrs.js';
import type { Ref } from '../../graph/ir.js';
import { type Net, nameOf, type Tokens } from './net.js';

/** How many heads attend, and how wide each is. */
export interface Heads {
  readonly heads: number;
  readonly headSize: number;
}

/** Queries, keys and values in heads, [B, heads, tokens, headSize], of so many tokens. */
export interface Parts {
  readonly q: Ref;
  readonly k: Ref;
  readonly v: Ref;
  readonly tokens: number;
}

/** [B, tokens, d] → [B, heads, tokens, headSize]. */
export function inHeads(net: Net, name: string, x: Tokens, { heads, headSize }: Heads): Ref {
  const apart = net.reshape(`${name}/heads`, x.ref, [-1, x.tokens, heads, headSize]);
  return net.transpose(`${name}/turned`, apart, [0, 2, 1, 3]);
}

/** softmax(q kᵀ / √headSize + bias) v. Returns [B, tokens of q, d]. */
export function attend(
  net: Net,
  name: string,
  { q, k, v, tokens }: Parts,
  { heads, headSize }: Heads,
  bias: Ref | null = null,
): Tokens {
  const product = (what: string, a: Ref, b: Ref, turned: boolean) =>
    net.graph.node('BatchMatMulV2', `${name}/${what}`, [a, b], {
      adj_x: attr.bool(false),
      adj_y: attr.bool(turned),
    });
  const dots = product('scores', q, k, true);
  const scaled = net.mul(`${name}/scaled`, dots, net.scalar(headSize ** -0.5));
  const seen = bias === null ? scaled : net.add(`${name}/seen`, scaled, bias);
  const weights = net.graph.node('Softmax', `${name}/Softmax`, [seen]);
  const mixed = net.transpose(`${name}/turned`, product('mixed', weights, v, false), [0, 2, 1, 3]);
  const d = heads * headSize;
  return { ref: net.reshape(`${name}/joined`, mixed, [-1, tokens, d]), tokens, d };
}

/** diffusers' Attention: `to_q` of x, `to_k` and `to_v` of the source, `to_out.0`. */
export function attention(
  net: Net,
  key: string,
  x: Tokens,
  heads: Heads,
  given: { source?: Tokens; bias?: Ref | null; projectionBias?: boolean } = {},
): Tokens {
  const { source = x, bias = null, projectionBias = true } = given;
  const d = heads.heads * heads.headSize;
  const part = (name: string, from: Tokens) => {
    const projected = net.linear(`${key}.${name}`, from, d, { bias: projectionBias });
    return inHeads(net, nameOf(`${key}.${name}`), projected, heads);
  };
  const parts = { q: part('to_q', x), k: part('to_k', source), v: part('to_v', source) };
  const mixed = attend(net, nameOf(key), { ...parts, tokens: x.tokens }, heads, bias);
  return net.linear(`${key}.to_out.0`, mixed, x.d);
}
