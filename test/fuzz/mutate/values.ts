import type { Random } from '../base/random.js';

/** Around what fits into 31 and 32 bits, float32, a double's integers; and what is no number. */
const NUMBERS = [
  ...[0, -0, 1, -1, 2, 3, 7, 0.5, 1.5, -1.5, 1e-8, 1e-300, 1e39, 1e300, -1e300],
  ...[2 ** 16, 2 ** 24 + 1, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, -(2 ** 31) - 1],
  ...[2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 33, 2 ** 53 - 1, 2 ** 53, 2 ** 63],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
] as const;

const TEXTS = [
  ...['', '__proto__', 'constructor', 'toString', 'x', '4', 'NaN', '\u0000', '\ud800', '^x', 'a:1'],
  ...['</script><b id=fuzz>', '"><img src=x onerror=fuzz()>', '../../x', ':', 'x:0:1'],
] as const;

/** A number that is hostile, or near the one that there was. */
export function hostileNumber(random: Random, was: unknown): number {
  if (typeof was !== 'number' || random.chance(0.5)) return random.pick(NUMBERS);
  const changes = [
    was + 1,
    was - 1,
    2 * was,
    was / 2,
    -was,
    was + 2 ** 32,
    was + 2 ** 31,
    was * 10,
  ];
  return random.pick(changes);
}

/** Anything that JSON holds, and a hostile number more. */
export function hostileJson(random: Random, was: unknown): unknown {
  if (typeof was === 'number' && random.chance(0.7)) return hostileNumber(random, was);
  if (typeof was === 'string' && random.chance(0.5)) return random.pick(TEXTS);
  if (typeof was === 'boolean' && random.chance(0.7)) return !was;
  return random.pick<() => unknown>([
    () => hostileNumber(random, was),
    () => random.pick(TEXTS),
    () => null,
    () => random.chance(0.5),
    () => [],
    () => ({}),
    () => [was],
    () => ({ x: was }),
    () => [null, null],
    () => textOf(was),
  ])();
}

/** What was put there before may have no text: a symbol has one when asked, a bare object none. */
function textOf(was: unknown): string {
  try {
    return String(was);
  } catch {
    return typeof was;
  }
}

/** Also what no JSON holds. */
export function hostileValue(random: Random, was: unknown): unknown {
  if (random.chance(0.8)) return hostileJson(random, was);
  return random.pick([undefined, 7n, Symbol.iterator, () => 0, new Map(), Object.create(null)]);
}

export function hostileText(random: Random): string {
  return random.pick(TEXTS);
}
