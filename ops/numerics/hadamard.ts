import { HadamardSizeError } from './errors.js';

/**
 * One factor of the Kronecker product that makes up a Hadamard matrix.
 * - `sylvester`: order 2^k, H[i, j] = (−1)^popcount(i & j) (Sylvester, 1867).
 * - `paley1`: order q + 1, q prime ≡ 3 (mod 4). Not symmetric.
 * - `paley2`: order 2(q + 1), q prime ≡ 1 (mod 4) (Paley, "On orthogonal matrices", 1933).
 */
export interface HadamardFactor {
  readonly kind: 'sylvester' | 'paley1' | 'paley2';
  readonly order: number;
}

/** H = factors[0] ⊗ factors[1] ⊗ … (the last factor varies fastest), over √size. */
export interface HadamardPlan {
  readonly size: number;
  readonly factors: readonly HadamardFactor[];
}

/** Larger Paley factors would be a dense matmul in disguise, and O(order²) memory. */
export const MAX_PALEY_ORDER = 1024;

const plans = new Map<number, { cost: number; plan: HadamardPlan } | null>();
const paleySigns = new Map<number, Int8Array>();

/**
 * The cheapest factorization of a Hadamard matrix of `size`, or null when none is known.
 *
 * Cost counts additions per element: `order` for a dense Paley factor, log2 for Sylvester's. The
 * choice is part of the file format: weights that were rotated with one plan must meet activations
 * rotated with the same.
 */
export function findHadamardPlan(size: number): HadamardPlan | null {
  return cheapestPlan(size)?.plan ?? null;
}

/**
 * The plan for `size`.
 * @throws HadamardSizeError when `size` has none; it names the nearest choices.
 */
export function hadamardPlan(op: string, size: number): HadamardPlan {
  const plan = findHadamardPlan(size);
  if (plan !== null) return plan;
  throw new HadamardSizeError(op, size, largestBlock(size), nextSize(size), factorization(size));
}

/**
 * Signs of a factor as a row-major ±1 matrix, [order, order]. Built once, shared: do not write to
 * it.
 */
export function factorSigns(factor: HadamardFactor): Int8Array {
  if (factor.kind === 'sylvester') return sylvesterSigns(factor.order);
  const cached = paleySigns.get(factor.order);
  if (cached !== undefined) return cached;
  const built = factor.kind === 'paley1' ? paley1(factor.order) : paley2(factor.order);
  paleySigns.set(factor.order, built);
  return built;
}

/** One row of the unscaled matrix: +1 or −1, [size]. */
export function hadamardSigns(plan: HadamardPlan, row: number): Int8Array {
  let signs = new Int8Array([1]);
  let r = row;
  for (let f = plan.factors.length - 1; f >= 0; f--) {
    const factor = plan.factors[f]!;
    const i = r % factor.order;
    r = (r - i) / factor.order;
    signs = kronecker(factorRow(factor, i), signs);
  }
  return signs;
}

/** One row of the orthonormal matrix: ±1/√size, [size], float64. */
export function orthonormalRow(plan: HadamardPlan, row: number): Float64Array {
  const signs = hadamardSigns(plan, row);
  const entries = new Float64Array(plan.size);
  const magnitude = 1 / Math.sqrt(plan.size);
  // a loop: TypedArray.from walks an iterator, ten times slower
  for (let j = 0; j < entries.length; j++) entries[j] = signs[j]! * magnitude;
  return entries;
}

function factorRow(factor: HadamardFactor, row: number): Int8Array {
  const { kind, order } = factor;
  if (kind === 'sylvester') return Int8Array.from({ length: order }, (_, j) => parity(row & j));
  return factorSigns(factor).subarray(row * order, (row + 1) * order);
}

function kronecker(outer: Int8Array, inner: Int8Array): Int8Array<ArrayBuffer> {
  const product = new Int8Array(outer.length * inner.length);
  for (let i = 0, at = 0; i < outer.length; i++) {
    for (let j = 0; j < inner.length; j++) product[at++] = outer[i]! * inner[j]!;
  }
  return product;
}

function cheapestPlan(size: number): { cost: number; plan: HadamardPlan } | null {
  if (!Number.isSafeInteger(size) || size < 1) return null;
  const known = plans.get(size);
  if (known !== undefined) return known;
  const found = searchPlan(size);
  plans.set(size, found);
  return found;
}

function searchPlan(size: number): { cost: number; plan: HadamardPlan } | null {
  const log2 = Math.log2(size);
  if (Number.isInteger(log2)) {
    return { cost: log2, plan: { size, factors: [{ kind: 'sylvester', order: size }] } };
  }
  let best: { cost: number; plan: HadamardPlan } | null = null;
  for (let order = 12; order <= Math.min(size, MAX_PALEY_ORDER); order += 4) {
    if (size % order !== 0) continue;
    const kind = paleyKind(order);
    if (kind === null) continue;
    const rest = cheapestPlan(size / order);
    if (rest === null || (best !== null && order + rest.cost >= best.cost)) continue;
    const factors = [{ kind, order }, ...rest.plan.factors.filter((f) => f.order > 1)];
    // Sylvester last: its butterflies then run over neighbouring elements
    factors.sort(
      (a, b) =>
        Number(a.kind === 'sylvester') - Number(b.kind === 'sylvester') || b.order - a.order,
    );
    best = { cost: order + rest.cost, plan: { size, factors } };
  }
  return best;
}

function paleyKind(order: number): 'paley1' | 'paley2' | null {
  if (Number.isInteger(Math.log2(order))) return null;
  if ((order - 1) % 4 === 3 && isPrime(order - 1)) return 'paley1';
  const q = order / 2 - 1;
  return q % 4 === 1 && isPrime(q) ? 'paley2' : null;
}

function isPrime(n: number): boolean {
  if (n < 2) return false;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return true;
}

/** χ(a) for a = 0 … q − 1: 0 at 0, +1 for squares mod q, −1 otherwise. */
function quadraticCharacter(q: number): Int8Array {
  const chi = new Int8Array(q).fill(-1);
  chi[0] = 0;
  for (let a = 1; a < q; a++) chi[(a * a) % q] = 1;
  return chi;
}

/** Paley I: I + S, S = [[0, 1], [−1, Q]] skew, Q[i, j] = χ(i − j). */
function paley1(order: number): Int8Array {
  const q = order - 1;
  const chi = quadraticCharacter(q);
  const signs = new Int8Array(order * order).fill(1);
  for (let i = 1; i < order; i++) {
    signs[i * order] = -1;
    for (let j = 1; j < order; j++) {
      signs[i * order + j] = i === j ? 1 : chi[(i - j + q) % q]!;
    }
  }
  return signs;
}

/** Paley II: C ⊗ [[1, 1], [1, −1]] + I ⊗ [[1, −1], [−1, −1]], C = [[0, 1], [1, Q]] symmetric. */
function paley2(order: number): Int8Array {
  const half = order / 2;
  const q = half - 1;
  const chi = quadraticCharacter(q);
  const signs = new Int8Array(order * order);
  for (let i = 0; i < half; i++) {
    for (let j = 0; j < half; j++) {
      const c = i === 0 || j === 0 ? 1 : chi[(i - j + q) % q]!;
      const block = i === j ? [1, -1, -1, -1] : [c, c, c, -c];
      block.forEach((sign, at) => {
        signs[(2 * i + (at >> 1)) * order + 2 * j + (at & 1)] = sign;
      });
    }
  }
  return signs;
}

function sylvesterSigns(order: number): Int8Array {
  const signs = new Int8Array(order * order);
  for (let i = 0; i < order; i++) {
    for (let j = 0; j < order; j++) signs[i * order + j] = parity(i & j);
  }
  return signs;
}

function parity(bits: number): number {
  let folded = bits;
  for (let shift = 16; shift > 0; shift >>= 1) folded ^= folded >> shift;
  return (folded & 1) === 0 ? 1 : -1;
}

function largestBlock(size: number): number {
  for (let parts = 2; parts < size; parts++) {
    if (size % parts === 0 && findHadamardPlan(size / parts) !== null) return size / parts;
  }
  return 1;
}

function nextSize(size: number): number {
  let next = size + 1;
  while (findHadamardPlan(next) === null) next++;
  return next;
}

/** 1150 → "2·5²·23". */
function factorization(size: number): string {
  const parts: string[] = [];
  let rest = size;
  for (let prime = 2; rest > 1; prime++) {
    let power = 0;
    for (; rest % prime === 0; rest /= prime) power++;
    if (power === 1) parts.push(`${prime}`);
    if (power > 1)
      parts.push(prime + [...`${power}`].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join(''));
  }
  return parts.join('·') || `${size}`;
}
