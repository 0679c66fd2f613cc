import * as tf from '@tensorflow/tfjs';
import type { Ref } from '../../../src/graph/ir.js';
import type { Role } from '../../../src/index.js';
import { normal, uniform } from '../numbers/random.js';
import type { Tokens, ZooGraph } from './kit.js';
import { type LinearForm, tokenLinear } from './linears.js';
import { D, Masked, type MaskStyle, paddingMask } from './masked.js';
import { randomTensor } from './tensors.js';

const WORDS = 40;

/** A graph with padded tokens, and the names of what says which they are. */
export interface MaskedGraph extends ZooGraph {
  readonly mask: Ref;
  /** Where the padded tokens come in. */
  readonly padded: Ref;
}

/** A bidirectional text encoder: words looked up in a table, of which the last ones are padding. */
export function textEncoder(
  style: MaskStyle,
  { tokens = 10, form = 'batch' as LinearForm, masked = [true, true] as readonly boolean[] } = {},
): MaskedGraph {
  const m = new Masked(style, form);
  const { k } = m;
  const words = k.input([-1, tokens], 'int32');
  const { input, mask } = m.maskInput(tokens);
  const table = k.constant([WORDS, D], wordTable());
  const found = k.node('GatherV2', [table, words, k.int(0)]);
  const placed = tokens > 0 ? k.add(found, k.weight([1, tokens, D], 0.3)) : found;
  let x: Tokens = { ref: placed, count: tokens, d: D };
  for (const hides of masked) x = m.block({ x, mask: hides ? mask : null });
  return {
    artifacts: k.graph.build([m.normed(x).ref]),
    expected: k.expected,
    tokens: tokens > 0 ? [tokens] : [10, 7],
    mask: input,
    padded: words,
    inputs: (batch, count, seed) => ({
      [words]: paddedWords(lengthsOf(batch, count), count, seed),
      [input]: m.maskValues(lengthsOf(batch, count), count),
    }),
  };
}

/** A transformer that reads padded captions: its own tokens all count. */
export function captionedDit(style: MaskStyle, form: LinearForm = 'batch'): MaskedGraph {
  const m = new Masked(style, form);
  const { k } = m;
  const [image, text] = [6, 8];
  const latent = k.input([-1, image, 8]);
  const caption = k.input([-1, text, 12]);
  const { input, mask } = m.maskInput(text);
  const source = tokenLinear(k, { ref: caption, count: text, d: 12 }, D, 'embedding', form);
  let x = tokenLinear(k, { ref: latent, count: image, d: 8 }, D, 'embedding', form);
  for (let i = 0; i < 2; i++) {
    const first = m.normed(x);
    x = m.sum(x, m.attention(first, { x: first, mask: null }, 'attention'));
    x = m.feed(m.sum(x, m.attention(x, { x: source, mask }, 'crossAttention')));
  }
  return {
    artifacts: k.graph.build([tokenLinear(k, m.normed(x), 8, 'final', form).ref]),
    expected: k.expected,
    tokens: [image],
    mask: input,
    padded: caption,
    inputs: (batch, _, seed) => ({
      [latent]: randomTensor([batch, image, 8], seed),
      [caption]: randomTensor([batch, text, 12], seed + 50),
      [input]: m.maskValues(lengthsOf(batch, text), text),
    }),
  };
}

/** Padded text and an image in one attention, each with linears of its own. */
export function jointDit(style: MaskStyle, textFirst: boolean): MaskedGraph {
  const m = new Masked(style, 'batch');
  const { k, form } = m;
  const counts = { image: 6, text: 5 };
  const latent = k.input([-1, counts.image, 8]);
  const caption = k.input([-1, counts.text, 12]);
  const { input, mask } = m.maskInput(counts.image + counts.text);
  let image = tokenLinear(k, { ref: latent, count: counts.image, d: 8 }, D, 'embedding', form);
  let text = tokenLinear(k, { ref: caption, count: counts.text, d: 12 }, D, 'embedding', form);
  const all = (a: Ref, b: Ref) => ({
    ref: k.concat(textFirst ? [b, a] : [a, b], 1),
    count: counts.image + counts.text,
    d: D,
  });
  for (let i = 0; i < 2; i++) {
    const streams = [m.normed(image), m.normed(text)];
    const [q, key, v] = ['q', 'k', 'v'].map((part) => {
      const role = `jointAttention.${part}` as Role;
      const [a, b] = streams.map((x) => tokenLinear(k, x, D, role, form));
      return all(a!.ref, b!.ref);
    });
    const y = m.attend(q!, key!, v!, mask);
    const sizes = textFirst ? [counts.text, counts.image] : [counts.image, counts.text];
    const parts = k.splitSizes(y.ref, 1, sizes);
    const [ofImage, ofText] = textFirst ? [parts[1]!, parts[0]!] : [parts[0]!, parts[1]!];
    const out = (x: Tokens, ref: Ref) =>
      m.feed(m.sum(x, tokenLinear(k, { ...x, ref }, D, 'jointAttention.out', form)));
    image = out(image, ofImage);
    text = out(text, ofText);
  }
  const joined = all(image.ref, text.ref);
  return {
    artifacts: k.graph.build([m.normed(joined).ref]),
    expected: k.expected,
    tokens: [counts.image],
    mask: input,
    padded: caption,
    inputs: (batch, _, seed) => ({
      [latent]: randomTensor([batch, counts.image, 8], seed),
      [caption]: randomTensor([batch, counts.text, 12], seed + 50),
      [input]: tf.tidy(() => {
        const text = paddingMask(lengthsOf(batch, counts.text), counts.text);
        const whole = tf.ones([batch, counts.image], 'int32');
        return tf.concat(textFirst ? [text, whole] : [whole, text], 1);
      }),
    }),
  };
}

/** 1, all but one, all, and others between. */
export function lengthsOf(batch: number, tokens: number): number[] {
  const some = [Math.ceil(tokens / 2), 1, tokens, tokens - 1];
  return Array.from({ length: batch }, (_, i) => some[i % some.length]!);
}

/** Words but 0, which is the padding, int32 [batch, tokens]. */
export function paddedWords(lengths: readonly number[], tokens: number, seed: number): tf.Tensor {
  const next = uniform(seed);
  const rows = lengths.map((length) =>
    Array.from({ length: tokens }, (_, t) =>
      t < length ? 1 + Math.floor((WORDS - 1) * next()) : 0,
    ),
  );
  return tf.tensor2d(rows, [lengths.length, tokens], 'int32');
}

/** Each channel has a mean, and word 0, the padding, is far off. */
function wordTable(): Float32Array {
  const means = normal(D, 5);
  return normal(WORDS * D, 6).map((v, i) => (i < D ? 40 * v : v + 2 * means[i % D]!));
}
