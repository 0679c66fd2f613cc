import { InvalidArgumentError } from '../../ops/numerics/errors.js';

/** Peak-to-peak of pictures in [−1, 1]. */
const PEAK = 2;

/** What a ratio in decibels is made of; sums over parts are those of the whole. */
export type Energies = Readonly<EnergySums>;

/** Energies that grow, in float64, as numbers come in. */
export interface EnergySums {
  /** Σ exact². */
  signal: number;
  /** Σ (exact − approximate)². */
  error: number;
  /** Numbers compared. */
  count: number;
}

/** Of nothing yet. */
export function noEnergies(): EnergySums {
  return { signal: 0, error: 0, count: 0 };
}

/**
 * Adds numbers to sums, one after the other: to the bit what one sum over all in their order is.
 *
 * @param bias Taken out of the signal, again and again along it; the error is without it anyway.
 */
export function addEnergies(
  sums: EnergySums,
  exact: ArrayLike<number>,
  approximate: ArrayLike<number>,
  bias: ArrayLike<number> | null = null,
): void {
  for (let i = 0; i < exact.length; i++) {
    const value = exact[i]!;
    sums.signal += (bias === null ? value : value - bias[i % bias.length]!) ** 2;
    sums.error += (value - approximate[i]!) ** 2;
  }
  sums.count += exact.length;
}

/** @throws InvalidArgumentError when the two are not of one length. */
export function energiesOf(exact: ArrayLike<number>, approximate: ArrayLike<number>): Energies {
  if (exact.length !== approximate.length) {
    const wanted = `as long as exact, ${exact.length}`;
    throw new InvalidArgumentError('energiesOf', 'approximate', wanted, `${approximate.length}`);
  }
  const sums = noEnergies();
  addEnergies(sums, exact, approximate);
  return sums;
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
    noEnergies(),
  );
}

/**
 * Signal to quantization noise ratio, 10 log10(Σ signal² / Σ error²), in dB; Infinity where nothing
 * is lost.
 */
export function sqnrDecibels({ signal, error }: Omit<Energies, 'count'>): number {
  return error === 0 ? Number.POSITIVE_INFINITY : decibels(signal / error);
}

/**
 * As `sqnrDecibels`, of numbers.
 *
 * @throws InvalidArgumentError when the two are not of one length.
 */
export function sqnr(exact: ArrayLike<number>, approximate: ArrayLike<number>): number {
  return sqnrDecibels(energiesOf(exact, approximate));
}

/**
 * Peak signal-to-noise ratio, 10 log10(peak² / mean error²), in dB; Infinity where nothing is lost.
 *
 * @param options Of them `peak`, from the least to the largest value there can be: default 2, of
 * pictures in [−1, 1].
 */
export function psnrDecibels(
  { error, count }: Omit<Energies, 'signal'>,
  { peak = PEAK }: { readonly peak?: number } = {},
): number {
  return error === 0 ? Number.POSITIVE_INFINITY : decibels((peak ** 2 * count) / error);
}

/**
 * Of outputs that count alike whatever their size, from the decibels of each: the mean of the
 * errors, each over its own signal, in dB.
 */
export function meanErrorDecibels(outputs: readonly number[]): number {
  return -decibels(mean(outputs.map((output) => 10 ** (-output / 10))));
}

/** Decibels to compare by: NaN, where nothing was measured, is less than any. */
export function comparable(measured: number): number {
  return Number.isNaN(measured) ? Number.NEGATIVE_INFINITY : measured;
}

/** A ratio of energies in dB. */
export function decibels(ratio: number): number {
  return 10 * Math.log10(ratio);
}

/** Arithmetic mean; of nothing it is NaN. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
