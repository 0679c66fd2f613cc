import type * as tf from '@tensorflow/tfjs';
import { type GraphAttr, GraphBuilder, type GraphRef } from '../../../src/graph/graphBuilder.js';
import type { Role } from '../../../src/index.js';
import { normal, sizeOf } from '../numbers/random.js';

/** A tensor [batch, count, d] in a graph; −1 tokens are known only at run time. */
export interface Tokens {
  readonly ref: GraphRef;
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
  private readonly shared = new Map<string, GraphRef>();

  constructor(private seed = 1) {}

  input(shape: readonly number[], dtype: 'float32' | 'int32' = 'float32'): GraphRef {
    return this.graph.placeholder(this.name(), shape, dtype);
  }

  node(
    op: string,
    inputs: readonly GraphRef[],
    attrs: Readonly<Record<string, GraphAttr>> = {},
  ): GraphRef {
    return this.graph.node(op, this.name(), inputs, attrs);
  }

  /** Random numbers of the given mean and deviation; every call makes others. */
  weight(shape: readonly number[], std = 1 / Math.sqrt(shape[0]!), mean = 0): GraphRef {
    return this.constant(shape, normal(sizeOf(shape), this.seed++, mean, std));
  }

  constant(shape: readonly number[], values: Float32Array | Int32Array): GraphRef {
    return this.graph.constant(this.name(), shape, values);
  }

  scalar(value: number): GraphRef {
    return this.once(`f${value}`, () => this.constant([], Float32Array.of(value)));
  }

  int(value: number): GraphRef {
    return this.once(`i${value}`, () => this.constant([], Int32Array.of(value)));
  }

  ints(values: readonly number[]): GraphRef {
    return this.once(`s${values}`, () => this.constant([values.length], Int32Array.from(values)));
  }

  add(a: GraphRef, b: GraphRef): GraphRef {
    return this.node('AddV2', [a, b]);
  }

  mul(a: GraphRef, b: GraphRef): GraphRef {
    return this.node('Mul', [a, b]);
  }

  mean(x: GraphRef): GraphRef {
    return this.node('Mean', [x, this.ints([-1])], { keep_dims: { b: true } });
  }

  matMul(a: GraphRef, b: GraphRef, transposed = false): GraphRef {
    return this.node('MatMul', [a, b], {
      transpose_a: { b: false },
      transpose_b: { b: transposed },
    });
  }

  batchMatMul(a: GraphRef, b: GraphRef, transposed = false): GraphRef {
    return this.node('BatchMatMulV2', [a, b], { adj_x: { b: false }, adj_y: { b: transposed } });
  }

  einsum(equation: string, a: GraphRef, b: GraphRef): GraphRef {
    return this.node('Einsum', [a, b], { equation: { s: equation }, N: { i: 2 } });
  }

  reshape(x: GraphRef, shape: readonly number[]): GraphRef {
    return this.node('Reshape', [x, this.ints(shape)]);
  }

  transpose(x: GraphRef, order: readonly number[]): GraphRef {
    return this.node('Transpose', [x, this.ints(order)]);
  }

  concat(parts: readonly GraphRef[], axis: number): GraphRef {
    return this.node('ConcatV2', [...parts, this.int(axis)], { N: { i: parts.length } });
  }

  /** `count` equal parts along an axis. */
  split(x: GraphRef, axis: number, count: number): GraphRef[] {
    const first = this.node('Split', [this.int(axis), x], { num_split: { i: count } });
    return Array.from({ length: count }, (_, i) => (i === 0 ? first : `${first}:${i}`));
  }

  /** Parts of the given sizes along an axis. */
  splitSizes(x: GraphRef, axis: number, sizes: readonly number[]): GraphRef[] {
    const first = this.node('SplitV', [x, this.ints(sizes), this.int(axis)], {
      num_split: { i: sizes.length },
    });
    return sizes.map((_, i) => (i === 0 ? first : `${first}:${i}`));
  }

  /**
   * The leading axes of `like`, all but the last `drop`, then `dims`: a shape that is computed at
   * run time.
   */
  reshapeLike(x: GraphRef, like: GraphRef, drop: number, dims: readonly number[]): GraphRef {
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
  expect(product: GraphRef, expected: Expected): GraphRef {
    this.expected.set(product, expected);
    return product;
  }

  private once(key: string, make: () => GraphRef): GraphRef {
    const known = this.shared.get(key) ?? make();
    this.shared.set(key, known);
    return known;
  }

  private name(): string {
    return `n${this.count++}`;
  }
}
