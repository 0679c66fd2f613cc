import { decibels, mean } from '../../../src/math/decibels.js';
import { type Estimate, estimateOf, resamplings } from './bootstrap.js';
import type { ConfigurationName } from './configurations.js';
import type { PairedRow } from './rows.js';

/** Resamplings of the pictures. */
const REPLICATES = 1000;

/** What a difference's interval says: on which side of 0 all of it lies. */
export type Verdict = 'above' | 'below' | 'not told apart';

/**
 * How much higher the mean of the pictures' decibels is, with a bootstrap interval over the same
 * pictures.
 */
export function meanDifference(a: PairedRow, b: PairedRow): Estimate {
  const apart = a.pictures.map((psnr, i) => {
    const other = b.pictures[i]!;
    return psnr === other ? 0 : psnr - other; // both may be without an error, of ∞ dB
  });
  return overPictures(a, (counts) => mean(apart.map((value, i) => counts[i]! * value)));
}

/** How much higher the PSNR of all pictures together is, dB, over the same pictures. */
export function pooledDifference(a: PairedRow, b: PairedRow): Estimate {
  const errors = ({ pictures }: PairedRow) => pictures.map((psnr) => 10 ** (-psnr / 10));
  const [own, others] = [errors(a), errors(b)];
  const weighted = (values: readonly number[], counts: Float32Array) =>
    values.reduce((sum, value, i) => sum + counts[i]! * value, 0);
  return overPictures(a, (counts) => decibels(weighted(others, counts) / weighted(own, counts)));
}

/** Whether rows are of the same pictures. */
function isAlike(a: PairedRow, b: PairedRow): boolean {
  const keys = ['model', 'bits', 'steps', 'seed', 'backend', 'samples'] as const;
  return keys.every((key) => a[key] === b[key]);
}

/** The row of another configuration of the same pictures. */
export function alike(
  row: PairedRow,
  rows: readonly PairedRow[],
  configuration: ConfigurationName,
): PairedRow | undefined {
  return rows.find((other) => other.configuration === configuration && isAlike(other, row));
}

export function verdictOf({ low, high }: Estimate): Verdict {
  if (low > 0) return 'above';
  return high < 0 ? 'below' : 'not told apart';
}

/** A difference as tables show it. */
export function differenceText({ value, low, high }: Estimate): string {
  const signed = (number: number) => `${number < 0 ? '−' : '+'}${Math.abs(number).toFixed(2)}`;
  return `${signed(value)} [${signed(low)}, ${signed(high)}]`;
}

/** A figure of the pictures, and its bootstrap interval over them. */
function overPictures(
  { pictures, seed }: PairedRow,
  figure: (counts: Float32Array) => number,
): Estimate {
  const all = new Float32Array(pictures.length).fill(1);
  return estimateOf(figure(all), resamplings(pictures.length, REPLICATES, seed).map(figure));
}
