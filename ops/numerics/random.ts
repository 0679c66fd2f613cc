/**
 * Seeded generator of 32 random bits, as an unsigned integer: mulberry32, the same on every machine
 * and backend.
 */
export function randomBits(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** Seeded generator of uniform numbers in [0, 1). */
export function uniformNumbers(seed: number): () => number {
  const next = randomBits(seed);
  return () => next() / 4294967296;
}

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
