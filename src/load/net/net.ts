import type { Floats } from '../../../ops/numerics/bytes.js';
import { type AttrValue, attr } from '../../graph/attrs.js';
import { Blocks } from '../../graph/blocks.js';
import { GraphBuilder } from '../../graph/builder.js';
import type { Ref } from '../../graph/ir.js';
import { CheckpointError } from '../base/errors.js';
import { type LinearLayout, linearMatrix } from './layout.js';

/** Tokens of a sample, and their channels: [B, tokens, d]. */
export interface Tokens {
  readonly ref: Ref;
  readonly tokens: number;
  readonly d: number;
}

/** A weight of the graph, and the tensor of the checkpoint that it is made of. */
export interface Need {
  /** The weight's name in the graph. */
  readonly weight: string;
  readonly shape: readonly number[];
  readonly from: { readonly key: string; readonly shape: readonly number[] };
  readonly make: (values: Floats) => Float32Array;
}

/** How a linear is stored where it is not PyTorch's [outputs, inputs] with a bias. */
export interface LinearOptions extends LinearLayout {
  readonly bias?: boolean;
  /** The shape that the tensor has. Default [outputs, inputs]. */
  readonly stored?: readonly number[];
}

/**
 * A network's graph, built by its config before a weight is read: each linear says which tensors
 * of the checkpoint it needs. Nodes are called as those are, with slashes.
 */
export class Net extends Blocks {
  readonly needs: Need[] = [];
  /** Tensors that are copies of others, and left out. */
  readonly left = new Set<string>();

  constructor(
    readonly op: string,
    /** The shapes of the checkpoint's tensors. */
    readonly shapes: ReadonlyMap<string, readonly number[]>,
    /** Whether the tensors that the architecture lists are copies. */
    readonly copies: boolean,
  ) {
    super(new GraphBuilder());
  }

  /** Tensors that the graph does without: copies of others. */
  leave(keys: readonly string[]): void {
    for (const key of keys) this.left.add(key);
  }

  /** A tensor of the checkpoint as a weight, as it is or made into another shape. */
  weight(
    key: string,
    stored: readonly number[],
    shape: readonly number[] = stored,
    make: Need['make'] = (values) => values,
  ): Ref {
    const name = nameOf(key);
    this.needs.push({ weight: name, shape, from: { key, shape: stored }, make });
    const early = () => {
      throw new CheckpointError(this.op, `${key} was not read yet.`, key);
    };
    const spec = { name, shape: [...shape], dtype: 'float32' as const };
    return this.graph.lazy({ spec, values: early, bytes: early });
  }

  /** Rows [B, inputs] → [B, outputs]. */
  rowLinear(key: string, x: Ref, inputs: number, outputs: number, options?: LinearOptions): Ref {
    const { bias = true, stored = [outputs, inputs], ...layout } = options ?? {};
    const matrix = this.weight(`${key}.weight`, stored, [inputs, outputs], (values) =>
      linearMatrix(values, inputs, outputs, layout),
    );
    const name = `${nameOf(key)}/MatMul`;
    if (!bias) return this.graph.matMul(name, x, matrix);
    const order = layout.outputs;
    const added = this.weight(`${key}.bias`, [outputs], [outputs], (values) =>
      order === undefined ? values : Float32Array.from(order, (from) => values[from]!),
    );
    return this.graph.node('_FusedMatMul', name, [x, matrix, added], {
      ...NOT_TRANSPOSED,
      fused_ops: attr.strings(['BiasAdd']),
      num_args: attr.int(1),
      epsilon: attr.float(0),
    });
  }

  /** [B, tokens, d] → [B, tokens, outputs]. */
  linear(key: string, x: Tokens, outputs: number, options?: LinearOptions): Tokens {
    const name = nameOf(key);
    const rows = this.reshape(`${name}/rows`, x.ref, [-1, x.d]);
    const product = this.rowLinear(key, rows, x.d, outputs, options);
    const ref = this.reshape(`${name}/tokens`, product, [-1, x.tokens, outputs]);
    return { ref, tokens: x.tokens, d: outputs };
  }

  /** linear · GELU · linear, as diffusers' FeedForward has it. */
  feedForward(key: string, x: Tokens): Tokens {
    const wide = this.linear(`${key}.net.0.proj`, x, 4 * x.d);
    const active = { ...wide, ref: this.gelu(`${nameOf(key)}/act`, wide.ref) };
    return this.linear(`${key}.net.2`, active, x.d);
  }

  /** `count` parts of what a linear makes of the condition [B, d], each [B, 1, d]. */
  modulation(key: string, condition: Ref, d: number, count: number): Ref[] {
    const name = nameOf(key);
    const all = this.rowLinear(key, condition, d, count * d);
    return this.split(`${name}/split`, all, 1, count).map((part, i) =>
      this.reshape(`${name}/part_${i}`, part, [-1, 1, d]),
    );
  }

  /** x · (1 + scale) + shift, of tokens that are normed already. */
  modulated(name: string, x: Tokens, shift: Ref, scale: Ref): Tokens {
    const factor = this.add(`${name}/scale`, scale, this.scalar(1));
    const scaled = this.mul(`${name}/scaled`, x.ref, factor);
    return { ...x, ref: this.add(`${name}/modulated`, scaled, shift) };
  }

  normed(name: string, x: Tokens, epsilon = 1e-6): Tokens {
    return { ...x, ref: this.layerNorm(name, x.ref, epsilon) };
  }

  /** x + gate · y; without a gate x + y. */
  residual(name: string, x: Tokens, y: Tokens, gate: Ref | null): Tokens {
    const gated = gate === null ? y.ref : this.mul(`${name}/gated`, gate, y.ref);
    return { ...x, ref: this.add(`${name}/sum`, x.ref, gated) };
  }

  /** Over the last axis, with a gain: x · rsqrt(mean x² + ε) · weight. */
  rmsNorm(key: string, x: Ref, d: number, order?: readonly number[]): Ref {
    const name = nameOf(key);
    const squares = this.mul(`${name}/squares`, x, x);
    const guarded = this.add(
      `${name}/guarded`,
      this.mean(`${name}/mean`, squares),
      this.scalar(1e-6),
    );
    const inverse = this.graph.node('Rsqrt', `${name}/Rsqrt`, [guarded]);
    const gain = this.weight(`${key}.weight`, [d], [d], (values) =>
      order === undefined ? values : Float32Array.from(order, (from) => values[from]!),
    );
    return this.mul(`${name}/out`, this.mul(`${name}/unit`, x, inverse), gain);
  }

  /** Tokens of both, one after the other. */
  concat(name: string, a: Tokens, b: Tokens): Tokens {
    const ref = this.graph.concat(name, [a.ref, b.ref], 1);
    return { ref, tokens: a.tokens + b.tokens, d: a.d };
  }

  /** The first `count` tokens, and the rest. */
  apart(name: string, x: Tokens, count: number): [Tokens, Tokens] {
    const rest = x.tokens - count;
    const sizes = this.ints([count, rest]);
    const axis = this.graph.integers(`${name}/axis`, [1], true);
    const first = this.graph.node('SplitV', name, [x.ref, sizes, axis], { num_split: attr.int(2) });
    return [
      { ...x, ref: first, tokens: count },
      { ...x, ref: `${first}:1`, tokens: rest },
    ];
  }
}

/** The name of a node from a tensor's. */
export function nameOf(key: string): string {
  return key.replaceAll('.', '/');
}

const NOT_TRANSPOSED: Readonly<Record<string, AttrValue>> = {
  transpose_a: attr.bool(false),
  transpose_b: attr.bool(false),
};
