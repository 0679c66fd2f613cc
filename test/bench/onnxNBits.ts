import type { LinearWeights } from '../../models/builder/linear.js';
import type { OnnxBuilder, OnnxRef } from './onnxModel.js';

/** Bits of a weight. */
export type NBits = 4 | 8;

/** Channels that share a scale, the least that ONNX Runtime takes on a GPU by dp4a. */
export const BLOCK = 32;
/** Activations in 8 bits, made on the way. */
const ACCURACY_LEVEL = 4;

/**
 * x [..., d] → x W [..., n] by `MatMulNBits`.
 * @param source Names the weights; products of the same source share them.
 */
export function addNBitsProduct(
  graph: OnnxBuilder,
  name: string,
  x: OnnxRef,
  { matrix, inputs: d, outputs: n }: LinearWeights,
  bits: NBits,
  source: string,
): OnnxRef {
  const weights = graph.once(`${source}/blocks`, () => {
    const { codes, scale } = blocks(matrix, d, n, bits);
    const shape = [n, d / BLOCK, (BLOCK * bits) / 8];
    return [
      graph.constant(`${source}/codes`, shape, codes),
      graph.constant(`${source}/scale`, [scale.length], scale),
    ];
  });
  return graph.node('MatMulNBits', `${name}/product`, [x, ...weights], {
    K: { i: d },
    N: { i: n },
    bits: { i: bits },
    block_size: { i: BLOCK },
    accuracy_level: { i: ACCURACY_LEVEL },
  });
}

/** As MatMulNBits has them: by columns of W, symmetric about half of the codes. */
function blocks(matrix: Float32Array, d: number, n: number, bits: NBits) {
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
