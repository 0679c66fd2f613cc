/**
 * Paley's constructions of Hadamard matrices over the field of q elements, q an odd prime power
 * ("On orthogonal matrices", 1933).
 * - `paley1`: order q + 1, q ≡ 3 (mod 4). Not symmetric.
 * - `paley2`: order 2(q + 1), q ≡ 1 (mod 4).
 */
export type PaleyKind = 'paley1' | 'paley2';

/** Larger orders would be a dense matmul in disguise, and O(order²) memory. */
export const MAX_PALEY_ORDER = 1024;

/** Which fields count: those of a prime, or any. */
export type Fields = 'primes' | 'primePowers';

/**
 * The construction of an order, or null. Where a prime does it, it is the prime's, and the first
 * construction comes before the second, so that an order stands for one matrix.
 */
export function paleyKind(order: number, fields: Fields): PaleyKind | null {
  if (order % 4 !== 0 || Number.isInteger(Math.log2(order))) return null;
  return kindOver(order, isPrime) ?? (fields === 'primes' ? null : kindOver(order, isPrimePower));
}

/** The matrix of an order that has a construction: ±1, row-major, [order, order]. */
export function paleySigns(order: number): Int8Array {
  return paleyKind(order, 'primePowers') === 'paley1' ? paley1(order) : paley2(order);
}

function kindOver(order: number, counts: (q: number) => boolean): PaleyKind | null {
  if ((order - 1) % 4 === 3 && counts(order - 1)) return 'paley1';
  const q = order / 2 - 1;
  return q % 4 === 1 && counts(q) ? 'paley2' : null;
}

/** Paley I: I + S, S = [[0, 1], [−1, Q]] skew, Q[i, j] = χ(i − j). */
function paley1(order: number): Int8Array {
  const { chi, minus } = fieldOf(order - 1);
  const signs = new Int8Array(order * order).fill(1);
  for (let i = 1; i < order; i++) {
    signs[i * order] = -1;
    for (let j = 1; j < order; j++) {
      signs[i * order + j] = i === j ? 1 : chi[minus(i - 1, j - 1)]!;
    }
  }
  return signs;
}

/** Paley II: C ⊗ [[1, 1], [1, −1]] + I ⊗ [[1, −1], [−1, −1]], C = [[0, 1], [1, Q]] symmetric. */
function paley2(order: number): Int8Array {
  const half = order / 2;
  const { chi, minus } = fieldOf(half - 1);
  const signs = new Int8Array(order * order);
  for (let i = 0; i < half; i++) {
    for (let j = 0; j < half; j++) {
      const c = i === 0 || j === 0 ? 1 : chi[minus(i - 1, j - 1)]!;
      const block = i === j ? [1, -1, -1, -1] : [c, c, c, -c];
      block.forEach((sign, at) => {
        signs[(2 * i + (at >> 1)) * order + 2 * j + (at & 1)] = sign;
      });
    }
  }
  return signs;
}

/** What the constructions need of a field whose elements are the numbers from 0 to q − 1. */
interface Field {
  /** 0 at 0, +1 at squares, −1 elsewhere. */
  readonly chi: Int8Array;
  readonly minus: (a: number, b: number) => number;
}

/**
 * The field of q = p^k elements. An element a₀ + a₁x + … is the number a₀ + a₁p + …, modulo the
 * first monic polynomial of degree k (its lower coefficients read as such a number) for which the
 * powers of x are all elements but 0. That choice is part of the file format, as the plans are.
 */
function fieldOf(q: number): Field {
  const p = smallestFactor(q);
  const minus = (a: number, b: number): number => {
    if (a < p && b < p) return (a - b + p) % p;
    return minus(Math.floor(a / p), Math.floor(b / p)) * p + (((a % p) - (b % p) + p) % p);
  };
  for (let lower = 1; ; lower++) {
    const powers = powersOfX(q, p, lower, minus);
    if (powers.length !== q - 1) continue;
    const chi = new Int8Array(q);
    powers.forEach((power, i) => {
      chi[power] = i % 2 === 0 ? 1 : -1;
    });
    return { chi, minus };
  }
}

/** 1, x, x², … until 1 or 0 comes, where x^k = −lower; where neither comes, q of them. */
function powersOfX(q: number, p: number, lower: number, minus: Field['minus']): number[] {
  const top = q / p;
  const powers = [1];
  while (powers.length < q) {
    const last = powers[powers.length - 1]!;
    let next = (last % top) * p;
    for (let times = Math.floor(last / top); times > 0; times--) next = minus(next, lower);
    if (next <= 1) break;
    powers.push(next);
  }
  return powers;
}

function isPrime(n: number): boolean {
  return n > 1 && smallestFactor(n) === n;
}

function isPrimePower(n: number): boolean {
  if (n < 2) return false;
  const p = smallestFactor(n);
  let rest = n;
  while (rest % p === 0) rest /= p;
  return rest === 1;
}

/** The smallest prime that divides n ≥ 2. */
function smallestFactor(n: number): number {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return d;
  return n;
}
