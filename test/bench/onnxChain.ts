import type { LinearWeights } from '../../models/builder/linear.js';
import { OnnxBuilder, type OnnxRef } from './onnxModel.js';

/** How the linears of a chain compute: as they are, or by `MatMulNBits`. */
export type ChainPrecision = 'float32' | 4 | 8;

/** Channels that share a scale, the least that ONNX Runtime takes on a GPU by dp4a. */
const BLOCK = 32;
/** Activations in 8 bits, made on the way. */
const ACCURACY_LEVEL = 4;

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
  const weights = linears.map((linear, i) => weightsOf(graph, `w${i}`, linear, precision));
  for (let round = 0; round < count; round++) {
    linears.forEach(({ inputs, outputs }, i) => {
      const name = `y${round}_${i}`;
      const { product, bias } = weights[i]!;
      const made =
        precision === 'float32'
          ? graph.node('MatMul', `${name}/product`, [x, ...product])
          : graph.node('MatMulNBits', `${name}/product`, [x, ...product], {
              K: { i: inputs },
              N: { i: outputs },
              bits: { i: precision },
              block_size: { i: BLOCK },
              accuracy_level: { i: ACCURACY_LEVEL },
            });
      x = graph.node('Add', name, [made, bias]);
    });
  }
  const row = [graph.ints([0]), graph.ints([1]), graph.ints([0])];
  const { outputs } = linears[linears.length - 1]!;
  return graph.build(graph.node('Slice', 'first', [x, ...row]), 'float32', [1, outputs]);
}

function weightsOf(
  graph: OnnxBuilder,
  name: string,
  { inputs, outputs, matrix, bias }: LinearWeights,
  precision: ChainPrecision,
): { product: readonly OnnxRef[]; bias: OnnxRef } {
  const added = graph.constant(`${name}/bias`, [outputs], bias);
  if (precision === 'float32') {
    return { product: [graph.constant(name, [inputs, outputs], matrix)], bias: added };
  }
  const { codes, scale } = blocks(matrix, inputs, outputs, precision);
  const bytes = (BLOCK * precision) / 8;
  const shape = [outputs, inputs / BLOCK, bytes];
  const product = [
    graph.constant(`${name}/codes`, shape, codes),
    graph.constant(`${name}/scale`, [scale.length], scale),
  ];
  return { product, bias: added };
}

/** As MatMulNBits has them: by columns of W, symmetric about half of the codes. */
function blocks(matrix: Float32Array, d: number, n: number, bits: 4 | 8) {
  const half = 2 ** (bits - 1);
  const perByte = 8 / bits;
  const scale = new Float32Array((n * d) / BLOCK);
  const codes = new Uint8Array((n * d) / perByte);
  for (let group = 0; group < scale.length; group++) {
    const column = Math.floor(group / (d / BLOCK));
    const first = (group % (d / BLOCK)) * BLOCK;
    let most = 1e-9;
    for (let i = 0; i < BLOCK; i++) {
      most = Math.max(most, Math.abs(matrix[(first + i) * n + column]!));
    }
    scale[group] = most / (half - 1);
    for (let i = 0; i < BLOCK; i++) {
      const value = matrix[(first + i) * n + column]! / scale[group]!;
      const code = Math.max(0, Math.min(2 * half - 1, Math.round(value) + half));
      const at = group * BLOCK + i;
      codes[Math.floor(at / perByte)]! |= code << (bits * (at % perByte));
    }
  }
  return { codes, scale };
}
