import { uniformNumbers } from '../src/math/random.js';

export { uniformNumbers };

/** Seeded generator of numbers from a normal distribution (Box–Muller). */
export function normalNumbers(seed: number, mean = 0, std = 1): () => number {
  const next = uniformNumbers(seed);
  return () => {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    return mean + std * radius * Math.cos(2 * Math.PI * next());
  };
}

/** A seed of its own for each name (FNV-1a). */
export function seedOf(name: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
