import type { LinearWeights } from '../../models/builder/linear.js';
import { addLinear } from './onnxLinear.js';
import { OnnxBuilder } from './onnxModel.js';
import type { NBits } from './onnxNBits.js';

/** How the linears of a chain compute: as they are, or by `MatMulNBits`. */
export type ChainPrecision = 'float32' | NBits;

/**
 * Linears one after the other, the list `count` times: `x` float32 [tokens, d] → the first row of
 * the last, so that what is read out is small.
 */
export function chainModel(
  linears: readonly LinearWeights[],
  count: number,
  precision: ChainPrecision,
): Uint8Array {
  const graph = new OnnxBuilder();
  const [first] = linears;
  let x = graph.input('x', 'float32', ['tokens', first!.inputs]);
  for (let round = 0; round < count; round++) {
    linears.forEach((linear, i) => {
      x = addLinear(graph, `y${round}_${i}`, x, linear, precision, `w${i}`);
    });
  }
  const row = [graph.ints([0]), graph.ints([1]), graph.ints([0])];
  const { outputs } = linears[linears.length - 1]!;
  return graph.build(graph.node('Slice', 'first', [x, ...row]), 'float32', [1, outputs]);
}
