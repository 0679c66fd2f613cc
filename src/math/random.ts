/** Seeded generator of 32 random bits, as an unsigned integer: mulberry32, the same on every machine and backend. */
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
