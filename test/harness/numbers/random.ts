import { uniformNumbers as uniform } from '../../../ops/numerics/random.js';

export { uniform };

/** `length` float32 numbers from a normal distribution (Box–Muller). */
export function normal(length: number, seed: number, mean = 0, std = 1): Float32Array {
  const next = uniform(seed);
  return Float32Array.from({ length }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    return mean + std * radius * Math.cos(2 * Math.PI * next());
  });
}

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dim) => size * dim, 1);
}
