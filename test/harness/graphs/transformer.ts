import type { Ref } from '../../../src/graph/ir.js';
import { type AttentionSpec, attend, project } from './attention.js';
import { Kit, type Tokens, type ZooGraph } from './kit.js';
import { type MlpSpec, mlp, type NormForm, norm, silu } from './layers.js';
import { type LinearForm, rowLinear, tokenLinear } from './linears.js';
import { evenly, randomTensor } from './tensors.js';

export interface BlockSpec {
  /** Null: none, and then it is no transformer. */
  readonly attention: AttentionSpec | null;
  /** Attention to the text too. */
  readonly cross: AttentionSpec | null;
  readonly mlp: MlpSpec;
  /** The MLP reads what the attention reads, beside it. */
  readonly parallel: boolean;
  /** How to write the linears. */
  readonly linear: LinearForm;
}

/** A diffusion transformer, put together from parts. */
export interface TransformerSpec {
  readonly d: number;
  /** −1: known at run time only. */
  readonly tokens: number;
  readonly norm: NormForm;
  /** adaLN-Zero: a linear per block; adaLN-single: one for all, plus a table per block; or none. */
  readonly modulation: 'zero' | 'parts' | 'single' | 'none';
  readonly blocks: readonly BlockSpec[];
  /** The embedding of the text goes through an MLP, or is read as it is. */
  readonly caption: boolean;
  /** The patches are read by something else too, and a node waits for another. */
  readonly extras: boolean;
  readonly seed: number;
}

const CHANNELS = 8;
const TEXT_TOKENS = 5;
const TEXT_CHANNELS = 12;

/** The parts of a modulation: [batch, 1, d] each. */
type Modulation = readonly (Ref | undefined)[];

export function transformer(spec: TransformerSpec): ZooGraph {
  const k = new Kit(spec.seed);
  const latent = k.input([-1, spec.tokens, CHANNELS]);
  const time = k.input([-1]);
  const hasText = spec.blocks.some(({ cross }) => cross !== null);
  const text = hasText ? k.input([-1, TEXT_TOKENS, TEXT_CHANNELS]) : null;
  const builder = new Builder(k, spec);
  const output = builder.build(latent, time, text);
  const artifacts = k.graph.build(spec.extras ? [output, builder.extra(latent)] : [output]);
  const shapes = (batch: number, tokens: number) => ({
    [latent]: [batch, tokens, CHANNELS],
    ...(text === null ? {} : { [text]: [batch, TEXT_TOKENS, TEXT_CHANNELS] }),
  });
  return {
    artifacts,
    expected: k.expected,
    tokens: spec.tokens > 0 ? [spec.tokens] : [6, 9],
    inputs: (batch, tokens, seed) => ({
      ...Object.fromEntries(
        Object.entries(shapes(batch, tokens)).map(([name, shape], i) => [
          name,
          randomTensor(shape, 10 * seed + i),
        ]),
      ),
      [time]: evenly(0.1, 0.9, batch),
    }),
  };
}

class Builder {
  private readonly form: LinearForm;

  constructor(
    private readonly k: Kit,
    private readonly spec: TransformerSpec,
  ) {
    this.form = spec.blocks[0]!.linear;
  }

  build(latent: Ref, time: Ref, text: Ref | null): Ref {
    const { k, spec, form } = this;
    const input = { ref: latent, count: spec.tokens, d: CHANNELS };
    let x = tokenLinear(k, input, spec.d, 'embedding', form);
    const condition = spec.modulation === 'none' ? null : this.condition(time);
    const all = spec.modulation === 'single' ? this.modulationRows(condition!, 6) : null;
    const source = text === null ? null : this.caption(text);
    for (const block of spec.blocks) x = this.block(block, x, condition, all, source);
    const last = condition === null ? null : this.modulation(condition, 2);
    const normed = this.modulated(x, last?.[0], last?.[1]);
    return tokenLinear(k, normed, CHANNELS, 'final', form).ref;
  }

  /** Something beside the transformer that reads its input and waits for another node. */
  extra(latent: Ref): Ref {
    const waited = this.k.node('Neg', [latent]);
    return this.k.node('Abs', [latent, `^${waited}`]);
  }

  private block(
    block: BlockSpec,
    x: Tokens,
    condition: Ref | null,
    all: Ref | null,
    source: Tokens | null,
  ): Tokens {
    const { k } = this;
    const parts = this.blockModulation(condition, all, block.parallel);
    const first = this.modulated(x, parts?.[0], parts?.[1]);
    let y = x;
    if (block.attention !== null) {
      const attended = this.attention(block, block.attention, first, first, 'attention');
      y = this.residual(x, attended, parts?.[2]);
    }
    if (block.cross !== null && source !== null) {
      const attended = this.attention(block, block.cross, y, source, 'crossAttention');
      y = this.residual(y, attended, undefined);
    }
    const second = block.parallel ? first : this.modulated(y, parts?.[3], parts?.[4]);
    return this.residual(y, mlp(k, second, block.mlp, block.linear), parts?.[5]);
  }

  private attention(
    { linear }: BlockSpec,
    attention: AttentionSpec,
    x: Tokens,
    source: Tokens,
    kind: 'attention' | 'crossAttention',
  ): Tokens {
    const { k } = this;
    const parts = project(k, x, source, attention, linear, kind);
    return tokenLinear(k, attend(k, parts, attention), x.d, `${kind}.out`, linear);
  }

  private residual(x: Tokens, y: Tokens, gate: Ref | undefined): Tokens {
    const { k } = this;
    return { ...x, ref: k.add(x.ref, gate === undefined ? y.ref : k.mul(gate, y.ref)) };
  }

  /** norm(x) (1 + scale) + shift. */
  private modulated(x: Tokens, shift?: Ref, scale?: Ref): Tokens {
    const { k, spec } = this;
    const normed = norm(k, x.ref, x.d, spec.norm);
    if (shift === undefined || scale === undefined) return { ...x, ref: normed };
    const factor = k.add(scale, k.scalar(1));
    return { ...x, ref: k.add(k.mul(normed, factor), shift) };
  }

  private condition(time: Ref): Ref {
    const { k, spec, form } = this;
    const { d } = spec;
    const column = k.node('ExpandDims', [time, k.int(-1)]);
    const angles = k.mul(column, k.weight([1, 6], 3));
    const waves = k.concat([k.node('Cos', [angles]), k.node('Sin', [angles])], -1);
    const hidden = silu(k, rowLinear(k, waves, 12, d, 'embedding', form));
    return silu(k, rowLinear(k, hidden, d, d, 'embedding', form));
  }

  private blockModulation(
    condition: Ref | null,
    all: Ref | null,
    parallel: boolean,
  ): Modulation | null {
    const { k, spec } = this;
    if (condition === null) return null;
    if (spec.modulation === 'parts') {
      // side by side, attention and MLP share a shift and a scale
      const isUnread = (i: number) => parallel && (i === 3 || i === 4);
      const part = (i: number) => (isUnread(i) ? undefined : this.modulation(condition, 1)[0]);
      return Array.from({ length: 6 }, (_, i) => part(i));
    }
    if (all === null) return this.modulation(condition, 6);
    const table = k.weight([1, 6, spec.d], 0.3);
    return k.split(k.add(k.reshape(all, [-1, 6, spec.d]), table), 1, 6);
  }

  private modulation(condition: Ref, count: number): Modulation {
    const { k, spec } = this;
    const rows = this.modulationRows(condition, count);
    return k.split(rows, 1, count).map((part) => k.reshape(part, [-1, 1, spec.d]));
  }

  private modulationRows(condition: Ref, count: number): Ref {
    const { k, spec, form } = this;
    return rowLinear(k, condition, spec.d, count * spec.d, 'modulation', form);
  }

  private caption(text: Ref): Tokens {
    const { k, spec, form } = this;
    const source = { ref: text, count: TEXT_TOKENS, d: TEXT_CHANNELS };
    if (!spec.caption) return source;
    const gelu = { form: 'plain', activation: 'tanhPow', hidden: 20 } as const;
    const roles = { in: 'embedding', gate: 'embedding', out: 'embedding' } as const;
    return mlp(k, source, gelu, form, roles);
  }
}
