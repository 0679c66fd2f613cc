import { sizeOf } from '../../harness/numbers/random.js';
import type { Random } from '../base/random.js';
import type { Given, Values } from './given.js';
import { floats, isFloat } from './kit.js';

/** What a product adds to its tokens' results. */
export const ROWS = [
  ...['bias', 'residual', 'coefficients', 'basis', 'basisScale'],
  ...['along', 'directionWeights', 'directionScale'],
] as const;

/** Some of them, at random. */
export function someRows(
  random: Random,
  leading: readonly number[], // of x [..., tokens, d]
  d: number,
  n: number,
): Record<string, Values> {
  const samples = sizeOf(leading.slice(0, -1));
  const means = ['coefficients', 'basis', 'basisScale'] as const;
  const beside = ['along', 'directionWeights', 'directionScale'] as const;
  return {
    ...(random.chance(0.5) ? { bias: floats(random, [n]) } : {}),
    ...(random.chance(0.4) ? { residual: floats(random, [samples, d]) } : {}),
    ...(random.chance(0.4) ? someFactors(random, means, [samples], n, 4) : {}),
    ...(random.chance(0.4) ? someFactors(random, beside, leading, n, 18) : {}),
  };
}

type Names = readonly [factors: string, rows: string, scale: string];

/** Factors and their rows, in coarse steps or not. */
function someFactors(
  random: Random,
  [factors, rows, scale]: Names,
  leading: readonly number[],
  n: number,
  mostRank: number,
): Record<string, Values> {
  const rank = random.between(1, mostRank);
  const scaled = random.chance(0.4);
  const count = scaled ? random.between(rank, 2 * rank) : rank;
  return {
    [factors]: floats(random, [...leading, rank]),
    [rows]: floats(random, [count, n]),
    ...(scaled ? { [scale]: floats(random, [count]) } : {}),
  };
}

/** Whether they fit so many samples, and each other. */
export function rowsFit(
  tensors: Given['tensors'],
  leading: readonly number[],
  d: number,
  n: number,
): boolean {
  const { bias, residual } = tensors;
  const samples = sizeOf(leading.slice(0, -1));
  if (bias !== undefined && !isFloat(bias, [n])) return false;
  if (residual !== undefined && !isFloat(residual, [samples, d])) return false;
  const { coefficients, basis, basisScale } = tensors;
  const { along, directionWeights, directionScale } = tensors;
  return (
    factorsFit([coefficients, basis, basisScale], [samples], n) &&
    factorsFit([along, directionWeights, directionScale], leading, n)
  );
}

function factorsFit(
  [factors, rows, scale]: readonly (Values | undefined)[],
  leading: readonly number[],
  n: number,
): boolean {
  if ((factors === undefined) !== (rows === undefined)) return false;
  if (rows === undefined) return scale === undefined;
  const [count = 0] = rows.shape;
  const rank = scale === undefined ? count : (factors!.shape.at(-1) ?? 0);
  const counts = scale === undefined || (rank > 0 && rank <= count && count <= 2 * rank);
  return (
    counts &&
    isFloat(rows, [count, n]) &&
    isFloat(factors, [...leading, rank]) &&
    (scale === undefined || isFloat(scale, [count]))
  );
}
