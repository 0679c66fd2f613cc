import {
  add,
  matMul,
  reshape,
  sub,
  type Tensor,
  type Tensor2D,
  transpose,
} from '@tensorflow/tfjs-core';
import type { HadaNormQuantizeAttrs, HadaNormQuantizeInputs } from './contract.js';
import { type Quantize, transformAndQuantize } from './transform.js';

/** V [d, r], and whether what goes along it is taken out of what has the codes. */
interface Directions {
  readonly vectors: Tensor;
  readonly subtract: boolean;
}

/**
 * Codes, and what goes along V: the op's outputs, and behind them (x' + δ) V [..., tokens, r]. Of
 * the op's parts, and two narrow products.
 */
export function quantizeAlong(
  inputs: HadaNormQuantizeInputs,
  attrs: HadaNormQuantizeAttrs,
  quantize: Quantize,
): Tensor[] {
  const directions = { vectors: inputs.directions!, subtract: attrs.subtract === true };
  let along: Tensor | null = null;
  const outputs = transformAndQuantize(inputs, attrs, (x) => {
    const parts = split(x, directions);
    along = parts.along;
    return quantize(parts.left, attrs);
  });
  const [codes, scale, zeroPoint, residual, ...coefficients] = outputs as [
    Tensor,
    Tensor,
    Tensor,
    ...Tensor[],
  ];
  if (residual === undefined) return [codes, scale, zeroPoint, along!];
  const means = split(residual, directions);
  const whole = add(along!, perToken(means.along, inputs.x));
  return [codes, scale, zeroPoint, means.left, ...coefficients, whole];
}

/** x' [..., d] as what goes along V, [..., r], and what is left to have codes. */
function split(x: Tensor, { vectors, subtract }: Directions): { along: Tensor; left: Tensor } {
  const [d, r] = vectors.shape as [number, number];
  const rows = reshape(x, [x.size / d, d]) as Tensor2D;
  const along = matMul(rows, vectors as Tensor2D);
  // turned apart: tfjs's transposed product is scalar on WASM
  const left = subtract ? sub(rows, matMul(along, transpose(vectors) as Tensor2D)) : rows;
  return { along: reshape(along, [...x.shape.slice(0, -1), r]), left: reshape(left, x.shape) };
}

/** A row for each sample, [samples, r], as one for each of its tokens: [..., 1, r]. */
function perToken(rows: Tensor, x: Tensor): Tensor {
  return reshape(rows, [...x.shape.slice(0, -2), 1, rows.shape[1]!]);
}
