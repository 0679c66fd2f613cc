import { type Tensor, type TensorLike, tidy, zeros } from '@tensorflow/tfjs-core';
import { checkMinRank, toFloatTensor } from '../common/checks.js';
import { rememberCodes, rememberScale } from '../common/contents.js';
import { whyNoDirections } from '../common/directions.js';
import { runOp } from '../common/kernel.js';
import { tellRenamed, withRenamed } from '../common/renamed.js';
import { checkSize } from '../common/sizes.js';
import { InvalidArgumentError } from '../numerics/errors.js';
import { checkDirections, checkVectors, resolveAttrs } from './checks.js';
import { hadaNormQuantizeComposite, hadaNormQuantizeOp } from './composite.js';
import {
  HADANORM_QUANTIZE_DEFAULTS,
  type HadaNormQuantizeAttrs,
  type HadaNormQuantizeInputs,
  type HadaNormQuantizeOptions,
  type HadaNormQuantizeResult,
  hadaNormQuantizeContract,
} from './contract.js';

/**
 * Centers, scales, rotates and quantizes in one go: codes of x' = ((x − μ) / σ) H, and the means
 * that came out.
 *
 * The codes are those of `fakeQuant` behind `hadamardTransform` behind `channelCenter`: scale ·
 * (code − zeroPoint) is what it gives, to the last bit where the backend's arithmetic is the same.
 * Symmetric codes have 2^(bits−1) added, which is their zero point. A group that `fakeQuant` would
 * give a NaN in has the scale NaN and codes and zero point 0. Everything before the last two axes
 * of x is a sample. For inference: it has no gradient.
 *
 * @param x float32, [..., tokens, d], rank ≥ 2, at least one token.
 * @returns Codes, scales and zero points; for `quantizedMatMul`, together with `residual`,
 * `coefficients` and `along`.
 * @throws InvalidArgumentError for a wrong dtype, shape or option; HadamardSizeError for a block
 * without a matrix.
 * Source: HadaNorm, arXiv 2506.09932, §3.
 *
 * @example
 * ```ts
 * import * as tf from '@tensorflow/tfjs';
 * import { hadaNormQuantize } from 'tfjs-hadanorm';
 *
 * const x = tf.tensor2d([[1, 101, 3, 4], [3, 99, 5, 0]]); // 2 tokens, 4 channels
 * const { quantized, residual } = hadaNormQuantize(x, { bits: 4 });
 * quantized.codes.print(); // the large mean of channel 1 takes no codes
 * residual?.print(); // [[54, -48, 48, -50]]: the mean [2, 100, 4, 2], rotated
 * ```
 */
export function hadaNormQuantize(
  x: Tensor | TensorLike,
  given: HadaNormQuantizeOptions = {},
): HadaNormQuantizeResult {
  const op = hadaNormQuantizeContract.kernelName;
  const options = withRenamed(op, given, 'centre', 'center');
  let attrs: HadaNormQuantizeAttrs | null = null;
  const outputs = tidy('hadaNormQuantize', () => {
    const input = toFloatTensor(op, 'x', x);
    checkMinRank(op, input, 2, '[..., tokens, d]');
    const [tokens, d] = input.shape.slice(-2) as [number, number];
    if (tokens === 0 || d === 0) {
      const wanted = 'of at least one token and channel';
      throw new InvalidArgumentError(op, 'x', wanted, `shape [${input.shape}]`);
    }
    attrs = resolveAttrs(op, d, options, HADANORM_QUANTIZE_DEFAULTS);
    const vectors = checkVectors(op, input.shape, attrs, options);
    const { directions, subtract } = checkDirections(op, input.shape, options);
    const shapes = shapesOfResults(input, attrs, vectors.basis, directions);
    for (const shape of shapes) checkSize(op, 'a result', shape);
    if (input.size === 0) return shapes.map((shape, i) => zeros(shape, i ? 'float32' : 'int32'));
    const inputs = { x: input, ...vectors, directions };
    return outputsOf(inputs, { ...attrs, subtract });
  });
  const [codes, scale, zeroPoint, ...more] = outputs as [Tensor, Tensor, Tensor, ...Tensor[]];
  const along = options.directions === undefined ? null : more.pop()!;
  const [residual, coefficients] = more;
  const { bits, granularity } = attrs!.format;
  const { groupSize } = granularity;
  rememberCodes(codes, bits);
  rememberCodes(zeroPoint, bits);
  rememberScale(scale);
  const quantized = { codes, scale, zeroPoint, bits, groupSize };
  return withFormerName({
    quantized,
    residual: residual ?? null,
    coefficients: coefficients ?? null,
    along,
  });
}

/** By the backend's kernel; directions that it does not take by the composition around it. */
function outputsOf(inputs: HadaNormQuantizeInputs, attrs: HadaNormQuantizeAttrs): Tensor[] {
  const rank = inputs.directions?.shape[1];
  if (rank !== undefined && whyNoDirections(hadaNormQuantizeContract, attrs, rank) !== null) {
    return hadaNormQuantizeComposite(inputs, attrs);
  }
  return runOp(hadaNormQuantizeOp, inputs, attrs);
}

/**
 * The residual under its former name too; not enumerable, so that a tidy or dispose meets it once.
 */
function withFormerName(result: Omit<HadaNormQuantizeResult, 'rest'>): HadaNormQuantizeResult {
  const get = () => {
    tellRenamed(hadaNormQuantizeContract.kernelName, 'rest', 'residual');
    return result.residual;
  };
  return Object.defineProperty(result, 'rest', { get }) as HadaNormQuantizeResult;
}

/** As the contract has them. */
function shapesOfResults(
  { shape: x }: Tensor,
  { format, center }: HadaNormQuantizeAttrs,
  basis: Tensor | undefined,
  directions: Tensor | undefined,
): number[][] {
  const { groupSize } = format.granularity;
  const attrs = { number: () => groupSize, string: () => center, bool: () => undefined };
  const others = { ...(basis && { basis: basis.shape }) };
  const along = { ...(directions && { directions: directions.shape }) };
  const shapes = hadaNormQuantizeContract.outputShapes({ x, ...others, ...along }, attrs);
  return shapes as number[][];
}
