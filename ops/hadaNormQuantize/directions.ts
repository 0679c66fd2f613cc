import {
  add,
  matMul,
  reshape,
  sub,
  type Tensor,
  type Tensor2D,
  transpose,
} from '@tensorflow/tfjs-core';
import { runOp } from '../common/kernel.js';
import { hadaNormQuantizeOp, transformAndQuantize } from './composite.js';
import type { HadaNormQuantizeAttrs, HadaNormQuantizeInputs } from './contract.js';

/** What goes along directions V beside the codes. */
export interface Directions {
  readonly vectors: Tensor; // V: [d, r]
  /** Whether x' − (x' V) Vᵀ has the codes, in the place of x', and so the residual. */
  readonly subtract: boolean;
}

/**
 * Codes, and what goes along V: the op's outputs, and behind them (x' + δ) V [..., tokens, r]. Of
 * the op's own kernels for all but the two narrow products.
 */
export function quantizeAlong(
  inputs: HadaNormQuantizeInputs,
  attrs: HadaNormQuantizeAttrs,
  directions: Directions,
): Tensor[] {
  let along: Tensor | null = null;
  const outputs = transformAndQuantize(inputs, attrs, (x) => {
    const parts = split(x, directions);
    along = parts.along;
    return codesOf(parts.left, attrs);
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

/** The quantizer alone, by the kernel that a backend has for it. */
function codesOf(x: Tensor, { format, range }: HadaNormQuantizeAttrs): [Tensor, Tensor, Tensor] {
  const plain: HadaNormQuantizeAttrs = { format, range, center: 'none', blockSize: 0 };
  return runOp<HadaNormQuantizeInputs, HadaNormQuantizeAttrs, [Tensor, Tensor, Tensor]>(
    hadaNormQuantizeOp,
    { x },
    plain,
  );
}

/** A row for each sample, [samples, r], as one for each of its tokens: [..., 1, r]. */
function perToken(rows: Tensor, x: Tensor): Tensor {
  return reshape(rows, [...x.shape.slice(0, -2), 1, rows.shape[1]!]);
}
