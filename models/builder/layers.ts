import { type AttrValue, attr } from '../../src/graph/attrs.js';
import type { GraphBuilder } from '../../src/graph/builder.js';
import type { Ref } from '../../src/graph/ir.js';
import type { LinearStyle } from './ditConfig.js';
import type { LinearWeights } from './linear.js';

/** What a transformer is made of, as nodes that every tfjs backend runs (Einsum: all but wasm). */
export class Layers {
  private readonly constants = new Map<string, Ref>();

  constructor(
    readonly graph: GraphBuilder,
    private readonly style: LinearStyle,
  ) {}

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

  /** Over the last axis, ε = 1e-6, no affine part. */
  layerNorm(name: string, x: Ref): Ref {
    const mean = this.mean(`${name}/mean`, x);
    const squares = this.graph.node('SquaredDifference', `${name}/SquaredDifference`, [x, mean]);
    const variance = this.mean(`${name}/variance`, squares);
    const guarded = this.add(`${name}/add`, variance, this.scalar(1e-6));
    const inverse = this.graph.node('Rsqrt', `${name}/Rsqrt`, [guarded]);
    return this.mul(`${name}/mul`, this.graph.node('Sub', `${name}/sub`, [x, mean]), inverse);
  }

  /** [B, inputs] → [B, outputs]. */
  linear(name: string, x: Ref, linear: LinearWeights): Ref {
    const { matrix, bias } = this.weights(name, linear);
    if (this.style !== 'fusedMatMul') {
      const product = this.graph.node('MatMul', `${name}/MatMul`, [x, matrix], NOT_TRANSPOSED);
      return this.graph.node('BiasAdd', `${name}/BiasAdd`, [product, bias]);
    }
    return this.fused(`${name}/MatMul`, x, matrix, bias);
  }

  /** [B, tokens, inputs] → [B, tokens, outputs], in the style of this graph. */
  tokenLinear(name: string, x: Ref, linear: LinearWeights, tokens: number): Ref {
    const { inputs, outputs } = linear;
    if (this.style === 'einsum') {
      return this.einsum(name, 'abc,cd->abd', x, [inputs, outputs], [outputs], linear);
    }
    const { matrix, bias } = this.weights(name, linear);
    if (this.style === 'batchMatMul') {
      const attrs = { adj_x: attr.bool(false), adj_y: attr.bool(false) };
      const product = this.graph.node('BatchMatMulV2', `${name}/MatMul`, [x, matrix], attrs);
      return this.add(`${name}/add`, product, bias);
    }
    const rows = this.reshape(`${name}/Reshape`, x, [-1, inputs]);
    const whole = [-1, tokens, outputs];
    if (this.style === 'fusedMatMul') {
      const product = this.fused(`${name}/MatMul`, rows, matrix, bias);
      return this.reshape(`${name}/Reshape_1`, product, whole);
    }
    const product = this.graph.node('MatMul', `${name}/MatMul`, [rows, matrix], NOT_TRANSPOSED);
    const shaped = this.reshape(`${name}/Reshape_1`, product, whole);
    return this.graph.node('BiasAdd', `${name}/BiasAdd`, [shaped, bias]);
  }

  /** Einsum of x and the weights in the given shapes, plus the bias. */
  einsum(
    name: string,
    equation: string,
    x: Ref,
    shape: readonly number[],
    biasShape: readonly number[],
    { matrix, bias }: LinearWeights,
  ): Ref {
    const kernel = this.graph.constant(`${name}/kernel`, shape, matrix);
    const attrs = { equation: attr.string(equation), N: attr.int(2) };
    const product = this.graph.node('Einsum', `${name}/Einsum`, [x, kernel], attrs);
    return this.add(`${name}/add`, product, this.graph.constant(`${name}/bias`, biasShape, bias));
  }

  private fused(name: string, x: Ref, matrix: Ref, bias: Ref): Ref {
    return this.graph.node('_FusedMatMul', name, [x, matrix, bias], {
      ...NOT_TRANSPOSED,
      fused_ops: attr.strings(['BiasAdd']),
      num_args: attr.int(1),
      epsilon: attr.float(0),
    });
  }

  private weights(name: string, linear: LinearWeights): { matrix: Ref; bias: Ref } {
    const { inputs, outputs } = linear;
    return {
      matrix: this.graph.constant(`${name}/kernel`, [inputs, outputs], linear.matrix),
      bias: this.graph.constant(`${name}/bias`, [outputs], linear.bias),
    };
  }

  private mean(name: string, x: Ref): Ref {
    return this.graph.node('Mean', name, [x, this.ints([-1])], { keep_dims: attr.bool(true) });
  }

  private shared(name: string, shape: readonly number[], values: Float32Array | Int32Array): Ref {
    const known = this.constants.get(name) ?? this.graph.constant(name, shape, values);
    this.constants.set(name, known);
    return known;
  }
}

const NOT_TRANSPOSED: Readonly<Record<string, AttrValue>> = {
  transpose_a: attr.bool(false),
  transpose_b: attr.bool(false),
};
