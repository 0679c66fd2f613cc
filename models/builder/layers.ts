import { type AttrValue, attr } from '../../src/graph/attrs.js';
import { Blocks } from '../../src/graph/blocks.js';
import type { GraphBuilder } from '../../src/graph/builder.js';
import type { Ref } from '../../src/graph/ir.js';
import type { LinearStyle } from './ditConfig.js';
import type { LinearWeights } from './linear.js';

/** What a transformer is made of, its linears as converters write them (Einsum: all but wasm). */
export class Layers extends Blocks {
  constructor(
    graph: GraphBuilder,
    private readonly style: LinearStyle,
  ) {
    super(graph);
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
}

const NOT_TRANSPOSED: Readonly<Record<string, AttrValue>> = {
  transpose_a: attr.bool(false),
  transpose_b: attr.bool(false),
};
