import type { Ref } from '../../../src/graph/ir.js';
import { type AttentionSpec, attend, cut, type Projections, project } from './attention.js';
import { Kit, type Tokens, type ZooGraph } from './kit.js';
import { activation, mlp, norm, silu } from './layers.js';
import { type LinearForm, rowLinear, tokenLinear } from './linears.js';
import { randomTensor } from './tensors.js';

const D = 24;
const IMAGE = { tokens: 6, channels: 8 };
const TEXT = { tokens: 4, channels: 10 };

/** What the two streams, and a block of one stream, have in common. */
class Joint {
  readonly k: Kit;
  readonly latent: Ref;
  readonly text: Ref;
  readonly time: Ref;

  constructor(
    readonly attention: AttentionSpec,
    readonly form: LinearForm,
  ) {
    this.k = new Kit(77);
    this.latent = this.k.input([-1, IMAGE.tokens, IMAGE.channels]);
    this.text = this.k.input([-1, TEXT.tokens, TEXT.channels]);
    this.time = this.k.input([-1, 12]);
  }

  embedded(): { image: Tokens; text: Tokens; condition: Ref } {
    const { k, form } = this;
    const image = { ref: this.latent, count: IMAGE.tokens, d: IMAGE.channels };
    const text = { ref: this.text, count: TEXT.tokens, d: TEXT.channels };
    return {
      image: tokenLinear(k, image, D, 'embedding', form),
      text: tokenLinear(k, text, D, 'embedding', form),
      condition: silu(k, rowLinear(k, this.time, 12, D, 'embedding', form)),
    };
  }

  modulation(condition: Ref, count: number): Ref[] {
    const { k, form } = this;
    const rows = rowLinear(k, condition, D, count * D, 'modulation', form);
    return k.split(rows, 1, count).map((part) => k.node('ExpandDims', [part, k.int(1)]));
  }

  modulated(x: Tokens, shift: Ref, scale: Ref): Tokens {
    const { k } = this;
    const normed = norm(k, x.ref, D, 'rsqrt');
    return { ...x, ref: k.add(k.mul(normed, k.add(k.scalar(1), scale)), shift) };
  }

  gated(x: Tokens, gate: Ref, y: Tokens): Tokens {
    return { ...x, ref: this.k.add(x.ref, this.k.mul(gate, y.ref)) };
  }

  concat(a: Tokens, b: Tokens): Tokens {
    return { ref: this.k.concat([a.ref, b.ref], 1), count: a.count + b.count, d: a.d };
  }

  /** The first `count` tokens, and the rest. */
  apart(x: Tokens, count: number): [Tokens, Tokens] {
    const [a, b] = this.k.splitSizes(x.ref, 1, [count, x.count - count]);
    return [
      { ref: a!, count, d: x.d },
      { ref: b!, count: x.count - count, d: x.d },
    ];
  }

  finish(x: Tokens, condition: Ref): ZooGraph {
    const { k, form, latent, text, time } = this;
    const [shift, scale] = this.modulation(condition, 2);
    const last = this.modulated(x, shift!, scale!);
    const output = tokenLinear(k, last, IMAGE.channels, 'final', form).ref;
    return {
      artifacts: k.graph.build([output]),
      expected: k.expected,
      tokens: [IMAGE.tokens],
      inputs: (batch, _tokens, seed) => ({
        [latent]: randomTensor([batch, IMAGE.tokens, IMAGE.channels], seed),
        [text]: randomTensor([batch, TEXT.tokens, TEXT.channels], seed + 1),
        [time]: randomTensor([batch, 12], seed + 2),
      }),
    };
  }
}

/**
 * Two streams with their own linears and one attention over both, as in SD3; the last block drops
 * the text.
 */
export function mmDit(attention: AttentionSpec, form: LinearForm): ZooGraph {
  const j = new Joint(attention, form);
  let { image, text, condition } = j.embedded();
  for (const last of [false, true]) {
    const [a, b] = [image, text].map((x) => ({ x, parts: j.modulation(condition, 6) }));
    const streams = [a!, b!].map(({ x, parts }) => {
      const normed = j.modulated(x, parts[0]!, parts[1]!);
      return project(j.k, normed, normed, attention, form, 'jointAttention');
    });
    const both = (part: keyof Projections) => j.concat(streams[0]![part], streams[1]![part]);
    const mixed = attend(j.k, { q: both('q'), k: both('k'), v: both('v') }, attention);
    const [fromImage, fromText] = j.apart(mixed, image.count);
    image = jointTail(j, image, fromImage, a!.parts);
    if (!last) text = jointTail(j, text, fromText, b!.parts);
    // what nothing reads would not be in a model: the last block's text has queries, but no gates
  }
  return j.finish(image, condition);
}

function jointTail(j: Joint, x: Tokens, attended: Tokens, parts: readonly Ref[]): Tokens {
  const out = tokenLinear(j.k, attended, D, 'jointAttention.out', j.form);
  const y = j.gated(x, parts[2]!, out);
  const second = j.modulated(y, parts[3]!, parts[4]!);
  const spec = { form: 'plain', activation: 'tanhPow', hidden: 48 } as const;
  return j.gated(y, parts[5]!, mlp(j.k, second, spec, j.form));
}

/**
 * Flux's single stream: one linear for q, k, v and the MLP, another for what attention and MLP
 * give.
 */
export function singleStream(attention: AttentionSpec, form: LinearForm): ZooGraph {
  const j = new Joint(attention, form);
  const { k } = j;
  const { image, text, condition } = j.embedded();
  let x = j.concat(text, image);
  for (let block = 0; block < 2; block++) {
    const [shift, scale, gate] = j.modulation(condition, 3);
    const normed = j.modulated(x, shift!, scale!);
    const all = tokenLinear(k, normed, 5 * D, 'attention.qkv', form);
    const [qkv, wide] = k.splitSizes(all.ref, 2, [3 * D, 2 * D]);
    const [q, key, v] = cut(k, { ...all, ref: qkv!, d: 3 * D }, 3, attention.split);
    const mixed = attend(k, { q: q!, k: key!, v: v! }, attention);
    const joined = k.concat([mixed.ref, activation(k, wide!, 'tanhPow')], 2);
    const out = tokenLinear(k, { ...mixed, ref: joined, d: 3 * D }, D, 'attention.out', form);
    x = j.gated(x, gate!, out);
  }
  const [, rest] = j.apart(x, TEXT.tokens);
  return j.finish(rest, condition);
}
