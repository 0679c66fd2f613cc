import { byteOf } from '../../../models/pixels.js';
import { normalNumbers } from '../../../ops/numerics/random.js';

/**
 * Pictures for canvases.
 *
 * @param values [count, S, S, 3] in [−1, 1], give or take.
 * @returns RGBA bytes [S, S, 4] of each.
 */
export function rgbaOf(values: Float32Array, count: number): Uint8ClampedArray<ArrayBuffer>[] {
  const pixels = values.length / (3 * count);
  return Array.from({ length: count }, (_, picture) => {
    const bytes = new Uint8ClampedArray(4 * pixels);
    for (let i = 0; i < pixels; i++) {
      const from = 3 * (picture * pixels + i);
      for (let c = 0; c < 3; c++) bytes[4 * i + c] = byteOf(values[from + c]!);
      bytes[4 * i + 3] = 255;
    }
    return bytes;
  });
}

/** The noise that pictures [count, side, side, 3] begin at: that of the sampler. */
export function noiseOf(seed: number, count: number, side: number): Float32Array {
  const next = normalNumbers(seed);
  return Float32Array.from({ length: count * side * side * 3 }, next);
}
