import { seedOf, uniformNumbers } from '../../../ops/numerics/random.js';

/** Seeded choices. */
export class Random {
  private readonly next: () => number;

  constructor(seed: number) {
    this.next = uniformNumbers(seed);
  }

  /** In [0, 1). */
  float(): number {
    return this.next();
  }

  /** From 0 to `count` − 1. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** From `min` to `max`. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** A seed for choices of their own. */
  seed(): number {
    return this.below(2 ** 32);
  }

  normals(count: number, mean = 0, std = 1): Float32Array {
    return Float32Array.from({ length: count }, () => {
      const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
      return mean + std * radius * Math.cos(2 * Math.PI * this.next());
    });
  }
}

/** Most mutations that a case begins with. */
const MOST = 4;

/**
 * The seeds of a case, by nothing but the run's seed, the kind and the case's number: what the case
 * is made of first, then its mutations, each by a seed of its own so that any can be left out.
 */
export function seedsOf(kind: string, seed: number, index: number): number[] {
  const random = new Random(seedOf(`${kind} ${index}`, seed));
  const count = random.chance(0.6) ? 1 : random.between(1, MOST);
  return Array.from({ length: 1 + count }, () => random.seed());
}
