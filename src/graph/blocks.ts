import { attr } from './attrs.js';
import type { GraphBuilder } from './builder.js';
import type { Ref } from './ir.js';

/** What transformers are made of besides linears, as nodes that every tfjs backend runs. */
export class Blocks {
  private readonly constants = new Map<string, Ref>();

  constructor(readonly graph: GraphBuilder) {}

  /** A scalar, one node for each value. */
  scalar(value: number): Ref {
    return this.shared(`const/float_${value}`, [], Float32Array.of(value));
  }

  /** int32 [n], one node for each list. */
  ints(values: readonly number[]): Ref {
    return this.shared(`const/ints_${values.join('_')}`, [values.length], Int32Array.from(values));
  }

  /** One of the sizes may be −1: whatever is left. */
  reshape(name: string, x: Ref, shape: readonly number[]): Ref {
    return this.graph.node('Reshape', name, [x, this.ints(shape)]);
  }

  transpose(name: string, x: Ref, perm: readonly number[]): Ref {
    return this.graph.node('Transpose', name, [x, this.ints(perm)]);
  }

  /** x in `count` equal parts along an axis. */
  split(name: string, x: Ref, axis: number, count: number): Ref[] {
    const at = this.shared(`const/axis_${axis}`, [], Int32Array.of(axis));
    const first = this.graph.node('Split', name, [at, x], { num_split: attr.int(count) });
    return Array.from({ length: count }, (_, i) => (i === 0 ? first : `${first}:${i}`));
  }

  add(name: string, a: Ref, b: Ref): Ref {
    return this.graph.node('AddV2', name, [a, b]);
  }

  mul(name: string, a: Ref, b: Ref): Ref {
    return this.graph.node('Mul', name, [a, b]);
  }

  silu(name: string, x: Ref): Ref {
    return this.mul(`${name}/mul`, x, this.graph.node('Sigmoid', `${name}/Sigmoid`, [x]));
  }

  /** ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))). */
  gelu(name: string, x: Ref): Ref {
    const cube = this.mul(`${name}/cube`, this.mul(`${name}/square`, x, x), x);
    const bent = this.add(`${name}/add`, x, this.mul(`${name}/mul`, cube, this.scalar(0.044715)));
    const inner = this.mul(`${name}/mul_1`, bent, this.scalar(Math.sqrt(2 / Math.PI)));
    const tanh = this.graph.node('Tanh', `${name}/Tanh`, [inner]);
    const gate = this.add(`${name}/add_1`, tanh, this.scalar(1));
    return this.mul(`${name}/mul_3`, this.mul(`${name}/mul_2`, x, this.scalar(0.5)), gate);
  }

  /** Over the last axis, no affine part. */
  layerNorm(name: string, x: Ref, epsilon = 1e-6): Ref {
    const mean = this.mean(`${name}/mean`, x);
    const squares = this.graph.node('SquaredDifference', `${name}/SquaredDifference`, [x, mean]);
    const variance = this.mean(`${name}/variance`, squares);
    const guarded = this.add(`${name}/add`, variance, this.scalar(epsilon));
    const inverse = this.graph.node('Rsqrt', `${name}/Rsqrt`, [guarded]);
    return this.mul(`${name}/mul`, this.graph.node('Sub', `${name}/sub`, [x, mean]), inverse);
  }

  /** Over the last axis, which stays with length 1. */
  mean(name: string, x: Ref): Ref {
    return this.graph.node('Mean', name, [x, this.ints([-1])], { keep_dims: attr.bool(true) });
  }

  private shared(name: string, shape: readonly number[], values: Float32Array | Int32Array): Ref {
    const known = this.constants.get(name) ?? this.graph.constant(name, shape, values);
    this.constants.set(name, known);
    return known;
  }
}
