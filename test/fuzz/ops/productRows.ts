import type { Random } from '../base/random.js';
import type { Given, Values } from './given.js';
import { floats, isFloat } from './kit.js';

/** What a product adds to its tokens' results. */
export const ROWS = ['bias', 'residual', 'coefficients', 'basis', 'basisScale'] as const;

/** Some of them, at random. */
export function someRows(
  random: Random,
  samples: number,
  d: number,
  n: number,
): Record<string, Values> {
  const rank = random.between(1, 4);
  const scaled = random.chance(0.4);
  const rows = scaled ? random.between(rank, 2 * rank) : rank;
  return {
    ...(random.chance(0.5) ? { bias: floats(random, [n]) } : {}),
    ...(random.chance(0.4) ? { residual: floats(random, [samples, d]) } : {}),
    ...(random.chance(0.4)
      ? {
          coefficients: floats(random, [samples, rank]),
          basis: floats(random, [rows, n]),
          ...(scaled ? { basisScale: floats(random, [rows]) } : {}),
        }
      : {}),
  };
}

/** Whether they fit so many samples, and each other. */
export function rowsFit(
  { bias, residual, coefficients, basis, basisScale }: Given['tensors'],
  samples: number,
  d: number,
  n: number,
): boolean {
  if (bias !== undefined && !isFloat(bias, [n])) return false;
  if (residual !== undefined && !isFloat(residual, [samples, d])) return false;
  if ((coefficients === undefined) !== (basis === undefined)) return false;
  if (basis === undefined) return basisScale === undefined;
  const [rows = 0] = basis.shape;
  const rank = basisScale === undefined ? rows : (coefficients!.shape[1] ?? 0);
  const counts = basisScale === undefined || (rank > 0 && rank <= rows && rows <= 2 * rank);
  return (
    counts &&
    isFloat(basis, [rows, n]) &&
    isFloat(coefficients, [samples, rank]) &&
    (basisScale === undefined || isFloat(basisScale, [rows]))
  );
}
