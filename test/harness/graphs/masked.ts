import * as tf from '@tensorflow/tfjs';
import { attr } from '../../../src/graph/attrs.js';
import type { Ref } from '../../../src/graph/ir.js';
import type { Role } from '../../../src/index.js';
import { Kit, type Tokens } from './kit.js';
import { mlp, norm } from './layers.js';
import { type LinearForm, tokenLinear } from './linears.js';

/** The ways to hide padded keys from an attention. */
export const MASK_STYLES = [
  'bert', // + (1 − mask) · −10⁴
  't5', // + (positions + (1 − mask) · −10⁹)
  'clip', // + causal + (1 − mask) · the least float
  'select', // mask ? scores : −∞
  'pairs', // padded queries see nothing: NaN
  'maximum', // max(… + mask, the least float)
  'merged', // heads and samples on one axis, the mask repeated for each head
  'spelled', // exp(x − max x) / Σ
  'given', // the bias itself is the input
] as const;

export type MaskStyle = (typeof MASK_STYLES)[number];

/** Channels of all tokens. */
export const D = 32;
const HEADS = 2;
const LEAST = -3.4e38;
const MLP = { form: 'plain', activation: 'tanhPow', hidden: 64 } as const;

/** Tokens, or −1, and a mask [batch, tokens] that its attentions are given. */
interface Stream {
  readonly x: Tokens;
  /** 1 for a key that is seen, float32 [batch, tokens]; null: all are. */
  readonly mask: Ref | null;
}

/** 1 for the first `lengths[i]` tokens of sample i, and 0 for its padding. */
export function paddingMask(lengths: readonly number[], tokens: number): tf.Tensor {
  const rows = lengths.map((length) => Array.from({ length: tokens }, (_, t) => +(t < length)));
  return tf.tensor2d(rows, [lengths.length, tokens], 'int32');
}

/** The parts of a transformer whose attentions hide keys in one of these ways. */
export class Masked {
  readonly k = new Kit(31);

  constructor(
    readonly style: MaskStyle,
    readonly form: LinearForm,
  ) {}

  /** Pre-norm attention and MLP, as encoders have them. */
  block({ x, mask }: Stream): Tokens {
    const first = this.normed(x);
    const attended = this.attention(first, { x: first, mask }, 'attention');
    return this.feed(this.sum(x, attended));
  }

  feed(x: Tokens): Tokens {
    return this.sum(x, mlp(this.k, this.normed(x), MLP, this.form));
  }

  attention(x: Tokens, source: Stream, kind: 'attention' | 'crossAttention'): Tokens {
    const { k, form } = this;
    const project = (from: Tokens, part: string) =>
      tokenLinear(k, from, D, `${kind}.${part}` as Role, form);
    const q = project(x, 'q');
    const [key, v] = [project(source.x, 'k'), project(source.x, 'v')];
    return tokenLinear(k, this.attend(q, key, v, source.mask), D, `${kind}.out`, form);
  }

  attend(q: Tokens, key: Tokens, v: Tokens, mask: Ref | null): Tokens {
    const { k } = this;
    const heads = ({ ref, count }: Tokens) => {
      const shape = [HEADS, D / HEADS];
      const apart =
        count > 0 ? k.reshape(ref, [-1, count, ...shape]) : k.reshapeLike(ref, ref, 1, shape);
      return k.transpose(apart, [0, 2, 1, 3]);
    };
    const products = k.batchMatMul(heads(q), heads(key), true);
    const scores = k.mul(products, k.scalar(1 / Math.sqrt(D / HEADS)));
    const masked = mask === null ? scores : this.masked(scores, mask, q.count, key.count);
    const mixed = k.batchMatMul(this.softmax(masked), heads(v));
    const joined = k.transpose(mixed, [0, 2, 1, 3]);
    const ref =
      q.count > 0 ? k.reshape(joined, [-1, q.count, D]) : k.reshapeLike(joined, joined, 2, [D]);
    return { ref, count: q.count, d: D };
  }

  private softmax(scores: Ref): Ref {
    const { k } = this;
    if (this.style !== 'spelled') return k.node('Softmax', [scores]);
    const keep = { keep_dims: attr.bool(true) };
    const most = k.node('Max', [scores, k.ints([-1])], keep);
    const powers = k.node('Exp', [k.node('Sub', [scores, most])]);
    return k.node('RealDiv', [powers, k.node('Sum', [powers, k.ints([-1])], keep)]);
  }

  private masked(scores: Ref, mask: Ref, queries: number, keys: number): Ref {
    const { k } = this;
    if (this.style === 'given') return k.add(scores, mask);
    const wide = k.node('ExpandDims', [k.node('ExpandDims', [mask, k.int(1)]), k.int(1)]);
    const bias = (least: number) => k.mul(k.node('Sub', [k.scalar(1), wide]), k.scalar(least));
    switch (this.style) {
      case 'bert':
      case 'spelled':
        return k.add(scores, bias(-1e4));
      case 't5':
        return k.add(scores, k.add(k.weight([1, HEADS, queries, keys], 4), bias(-1e9)));
      case 'clip':
        return k.add(k.add(scores, this.causal(queries, keys)), bias(LEAST));
      case 'select': {
        const seen = k.node('Greater', [wide, k.scalar(0.5)]);
        return k.node('SelectV2', [seen, scores, k.scalar(Number.NEGATIVE_INFINITY)]);
      }
      case 'pairs': {
        const column = k.node('ExpandDims', [k.node('ExpandDims', [mask, k.int(1)]), k.int(-1)]);
        const seen = k.node('Greater', [k.mul(column, wide), k.scalar(0.5)]);
        return k.node('SelectV2', [seen, scores, k.scalar(Number.NEGATIVE_INFINITY)]);
      }
      case 'maximum':
        return k.node('Maximum', [k.add(scores, bias(LEAST)), k.scalar(LEAST)]);
      case 'merged': {
        const rows = k.reshape(scores, [-1, queries, keys]);
        const each = k.node('Tile', [bias(-1e9), k.ints([1, HEADS, 1, 1])]);
        const sum = k.add(rows, k.reshape(each, [-1, 1, keys]));
        return k.reshape(sum, [-1, HEADS, queries, keys]);
      }
      default:
        return this.style satisfies never;
    }
  }

  /** Later keys are hidden, none from all queries. */
  private causal(queries: number, keys: number): Ref {
    const values = Float32Array.from({ length: queries * keys }, (_, i) =>
      i % keys > Math.floor(i / keys) ? LEAST : 0,
    );
    return this.k.constant([1, 1, queries, keys], values);
  }

  normed(x: Tokens): Tokens {
    return { ...x, ref: norm(this.k, x.ref, D, 'affine') };
  }

  sum(x: Tokens, y: Tokens): Tokens {
    return { ...x, ref: this.k.add(x.ref, y.ref) };
  }

  /** int32 [batch, tokens] → float32, or the additive mask as it is given. */
  maskInput(tokens: number): { input: Ref; mask: Ref } {
    if (this.style === 'given') {
      const input = this.k.input([-1, 1, 1, tokens]);
      return { input, mask: input };
    }
    const input = this.k.input([-1, tokens], 'int32');
    return { input, mask: this.k.node('Cast', [input], { DstT: attr.type('float32') }) };
  }

  /** What the mask's input is given. */
  maskValues(lengths: readonly number[], tokens: number): tf.Tensor {
    const mask = paddingMask(lengths, tokens);
    if (this.style !== 'given') return mask;
    return tf.tidy(() => {
      const bias = tf.mul(tf.sub(1, tf.cast(mask, 'float32')), -1e9);
      return tf.reshape(bias, [lengths.length, 1, 1, tokens]);
    });
  }
}
