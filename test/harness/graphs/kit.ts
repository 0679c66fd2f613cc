import type * as tf from '@tensorflow/tfjs';
import { type AttrValue, attr } from '../../../src/graph/attrs.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import type { Ref } from '../../../src/graph/ir.js';
import type { Role } from '../../../src/index.js';
import { normal, sizeOf } from '../numbers/random.js';

/** A tensor [batch, count, d] in a graph; −1 tokens are known only at run time. */
export interface Tokens {
  readonly ref: Ref;
  readonly count: number;
  readonly d: number;
}

/** What recognition should say of a linear. */
export interface Expected {
  readonly role: Role;
  readonly d: number;
  readonly n: number;
  /** Whether its bias belongs to it: in some forms it is a node of its own. */
  readonly bias: boolean;
}

/** A graph whose node names say nothing, with what is in it. */
export interface ZooGraph {
  readonly artifacts: tf.io.ModelArtifacts;
  /** By the name of the product. */
  readonly expected: ReadonlyMap<string, Expected>;
  /** Random inputs by name. */
  readonly inputs: (batch: number, tokens: number, seed: number) => Record<string, tf.Tensor>;
  /** Token counts to try; the first one is what it is calibrated with. */
  readonly tokens: readonly number[];
}

/** Builds graphs whose nodes are called n0, n1, …: names must not matter. Weights are seeded. */
export class Kit {
  readonly graph = new GraphBuilder();
  readonly expected = new Map<string, Expected>();
  private count = 0;
  private readonly shared = new Map<string, Ref>();

  constructor(private seed = 1) {}

  input(shape: readonly number[], dtype: 'float32' | 'int32' = 'float32'): Ref {
    return this.graph.placeholder(this.name(), shape, dtype);
  }

  node(op: string, inputs: readonly Ref[], attrs: Readonly<Record<string, AttrValue>> = {}): Ref {
    return this.graph.node(op, this.name(), inputs, attrs);
  }

  /** Random numbers of the given mean and deviation; every call makes others. */
  weight(shape: readonly number[], std = 1 / Math.sqrt(shape[0]!), mean = 0): Ref {
    return this.constant(shape, normal(sizeOf(shape), this.seed++, mean, std));
  }

  constant(shape: readonly number[], values: Float32Array | Int32Array): Ref {
    return this.graph.constant(this.name(), shape, values);
  }

  scalar(value: number): Ref {
    return this.once(`f${value}`, () => this.constant([], Float32Array.of(value)));
  }

  int(value: number): Ref {
    return this.once(`i${value}`, () => this.constant([], Int32Array.of(value)));
  }

  ints(values: readonly number[]): Ref {
    return this.once(`s${values}`, () => this.constant([values.length], Int32Array.from(values)));
  }

  add(a: Ref, b: Ref): Ref {
    return this.node('AddV2', [a, b]);
  }

  mul(a: Ref, b: Ref): Ref {
    return this.node('Mul', [a, b]);
  }

  mean(x: Ref): Ref {
    return this.node('Mean', [x, this.ints([-1])], { keep_dims: attr.bool(true) });
  }

  matMul(a: Ref, b: Ref, transposed = false): Ref {
    return this.node('MatMul', [a, b], {
      transpose_a: attr.bool(false),
      transpose_b: attr.bool(transposed),
    });
  }

  batchMatMul(a: Ref, b: Ref, transposed = false): Ref {
    return this.node('BatchMatMulV2', [a, b], {
      adj_x: attr.bool(false),
      adj_y: attr.bool(transposed),
    });
  }

  einsum(equation: string, a: Ref, b: Ref): Ref {
    return this.node('Einsum', [a, b], { equation: attr.string(equation), N: attr.int(2) });
  }

  reshape(x: Ref, shape: readonly number[]): Ref {
    return this.node('Reshape', [x, this.ints(shape)]);
  }

  transpose(x: Ref, order: readonly number[]): Ref {
    return this.node('Transpose', [x, this.ints(order)]);
  }

  concat(parts: readonly Ref[], axis: number): Ref {
    return this.node('ConcatV2', [...parts, this.int(axis)], { N: attr.int(parts.length) });
  }

  /** `count` equal parts along an axis. */
  split(x: Ref, axis: number, count: number): Ref[] {
    const first = this.node('Split', [this.int(axis), x], { num_split: attr.int(count) });
    return Array.from({ length: count }, (_, i) => (i === 0 ? first : `${first}:${i}`));
  }

  /** Parts of the given sizes along an axis. */
  splitSizes(x: Ref, axis: number, sizes: readonly number[]): Ref[] {
    const first = this.node('SplitV', [x, this.ints(sizes), this.int(axis)], {
      num_split: attr.int(sizes.length),
    });
    return sizes.map((_, i) => (i === 0 ? first : `${first}:${i}`));
  }

  /**
   * The leading axes of `like`, all but the last `drop`, then `dims`: a shape that is computed at
   * run time.
   */
  reshapeLike(x: Ref, like: Ref, drop: number, dims: readonly number[]): Ref {
    const shape = this.node('Shape', [like]);
    const leading = this.node('StridedSlice', [
      shape,
      this.ints([0]),
      this.ints([-drop]),
      this.ints([1]),
    ]);
    return this.node('Reshape', [x, this.concat([leading, this.ints(dims)], 0)]);
  }

  /** Notes what recognition should find, and gives the product back. */
  expect(product: Ref, expected: Expected): Ref {
    this.expected.set(product, expected);
    return product;
  }

  private once(key: string, make: () => Ref): Ref {
    const known = this.shared.get(key) ?? make();
    this.shared.set(key, known);
    return known;
  }

  private name(): string {
    return `n${this.count++}`;
  }
}
