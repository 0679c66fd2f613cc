import { InvalidArgumentError } from '../../ops/numerics/errors.js';

/** Peak-to-peak of pictures in [−1, 1]. */
const PEAK = 2;

/** What a ratio in decibels is made of; sums over parts are those of the whole. */
export interface Energies {
  /** Σ exact². */
  readonly signal: number;
  /** Σ (exact − approximate)². */
  readonly error: number;
  /** Numbers compared. */
  readonly count: number;
}

/** @throws InvalidArgumentError when the two are not of one length. */
export function energiesOf(exact: Float32Array, approximate: Float32Array): Energies {
  if (exact.length !== approximate.length) {
    const wanted = `as long as exact, ${exact.length}`;
    throw new InvalidArgumentError('energiesOf', 'approximate', wanted, `${approximate.length}`);
  }
  let signal = 0;
  let error = 0;
  for (let i = 0; i < exact.length; i++) {
    signal += exact[i]! ** 2;
    error += (exact[i]! - approximate[i]!) ** 2;
  }
  return { signal, error, count: exact.length };
}

/** Of `count` pictures one behind the other, each apart. */
export function energiesByPicture(
  exact: Float32Array,
  approximate: Float32Array,
  count: number,
): Energies[] {
  const size = exact.length / count;
  const picture = (values: Float32Array, i: number) => values.subarray(i * size, (i + 1) * size);
  return Array.from({ length: count }, (_, i) =>
    energiesOf(picture(exact, i), picture(approximate, i)),
  );
}

/** The energies of all parts together. */
export function sumOfEnergies(parts: readonly Energies[]): Energies {
  return parts.reduce(
    (sum, { signal, error, count }) => ({
      signal: sum.signal + signal,
      error: sum.error + error,
      count: sum.count + count,
    }),
    { signal: 0, error: 0, count: 0 },
  );
}

/**
 * Signal to quantization noise ratio, 10 log10(Σ signal² / Σ error²), in dB; Infinity where nothing
 * is lost.
 */
export function sqnrDecibels({ signal, error }: Energies): number {
  return error === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / error);
}

/**
 * Peak signal-to-noise ratio of pictures in [−1, 1], 10 log10(2² / mean error²), in dB; Infinity
 * where they are equal.
 */
export function psnrDecibels({ error, count }: Energies): number {
  return error === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10((PEAK ** 2 * count) / error);
}

/** Arithmetic mean; of nothing it is NaN. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
