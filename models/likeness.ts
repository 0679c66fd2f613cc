import { energiesByPicture, mean, psnrDecibels } from '../src/math/decibels.js';

/** How like pictures are to others, as PSNR in dB. */
export interface Likeness {
  /** Mean over the pictures: one that became another does not drown what the others say. */
  readonly mean: number;
  /** Of the picture that differs most. */
  readonly worst: number;
}

/**
 * Compares pictures one by one, as they are seen: clipped to [−1, 1].
 *
 * @param exact [count, S, S, 3], as `approximate`.
 */
export function likenessOf(
  exact: Float32Array,
  approximate: Float32Array,
  count: number,
): Likeness {
  const seen = (values: Float32Array) => values.map((v) => Math.min(1, Math.max(-1, v)));
  const energies = energiesByPicture(seen(exact), seen(approximate), count);
  const all = energies.map((picture) => psnrDecibels(picture));
  return { mean: mean(all), worst: Math.min(...all) };
}
