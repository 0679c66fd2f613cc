import { BoundedMap } from './boundedMap.js';
import { describe, HadamardSizeError, InvalidArgumentError } from './errors.js';
import { type Fields, MAX_PALEY_ORDER, type PaleyKind, paleyKind, paleySigns } from './paley.js';

/**
 * One factor of the Kronecker product that makes up a Hadamard matrix: Sylvester's of order 2^k,
 * H[i, j] = (−1)^popcount(i & j) (Sylvester, 1867), or one of Paley's, see paley.ts.
 */
export interface HadamardFactor {
  readonly kind: 'sylvester' | PaleyKind;
  readonly order: number;
}

/** H = factors[0] ⊗ factors[1] ⊗ … (the last factor varies fastest), over √size. */
export interface HadamardPlan {
  readonly size: number;
  readonly factors: readonly HadamardFactor[];
}

/** Far above any layer's width; a row of this size takes 128 MiB. */
export const MAX_HADAMARD_SIZE = 2 ** 24;

interface Found {
  readonly cost: number;
  readonly plan: HadamardPlan;
}

const plans = new BoundedMap<number, HadamardPlan | null>(1024);
const tables = new BoundedMap<number, Int8Array>(16); // at most 1 MiB each

/**
 * The cheapest factorization of a Hadamard matrix of `size`, or null when none is known.
 *
 * Cost counts additions per element: `order` for a dense Paley factor, log2 for Sylvester's. The
 * choice is part of the file format: weights that were rotated with one plan must meet activations
 * rotated with the same. So Paley's orders over prime powers serve only the sizes that primes do
 * not reach: files from before there were such keep their plans.
 */
export function findHadamardPlan(size: number): HadamardPlan | null {
  if (!isSize(size)) return null;
  return plans.get(size, () => searchPlan(size));
}

/**
 * The plan for `size`.
 * @throws InvalidArgumentError for what is no size; HadamardSizeError when `size` has no plan: it
 * names the nearest choices.
 */
export function hadamardPlan(op: string, size: number): HadamardPlan {
  if (!isSize(size)) {
    const wanted = `an integer from 1 to ${MAX_HADAMARD_SIZE}`;
    throw new InvalidArgumentError(op, 'the size of a Hadamard matrix', wanted, describe(size));
  }
  const plan = findHadamardPlan(size);
  if (plan !== null) return plan;
  throw new HadamardSizeError(op, size, largestBlock(size), nextSize(size), factorization(size));
}

/**
 * Signs of a factor as a row-major ±1 matrix, [order, order]. Built once, shared: do not write to
 * it.
 */
export function factorSigns(factor: HadamardFactor): Int8Array {
  const { kind, order } = factor;
  return kind === 'sylvester' ? sylvesterSigns(order) : tables.get(order, () => paleySigns(order));
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
  if (kind !== 'sylvester') return factorSigns(factor).subarray(row * order, (row + 1) * order);
  const signs = new Int8Array(order);
  for (let j = 0; j < order; j++) signs[j] = parity(row & j);
  return signs;
}

function kronecker(outer: Int8Array, inner: Int8Array): Int8Array<ArrayBuffer> {
  const product = new Int8Array(outer.length * inner.length);
  for (let i = 0, at = 0; i < outer.length; i++) {
    for (let j = 0; j < inner.length; j++) product[at++] = outer[i]! * inner[j]!;
  }
  return product;
}

function isSize(size: unknown): size is number {
  return Number.isInteger(size) && (size as number) >= 1 && (size as number) <= MAX_HADAMARD_SIZE;
}

function searchPlan(size: number): HadamardPlan | null {
  return (cheapestPlan(size, 'primes') ?? cheapestPlan(size, 'primePowers'))?.plan ?? null;
}

function cheapestPlan(size: number, fields: Fields): Found | null {
  const log2 = Math.log2(size);
  if (Number.isInteger(log2)) {
    return { cost: log2, plan: { size, factors: [{ kind: 'sylvester', order: size }] } };
  }
  let best: Found | null = null;
  for (let order = 12; order <= Math.min(size, MAX_PALEY_ORDER); order += 4) {
    if (size % order !== 0) continue;
    const kind = paleyKind(order, fields);
    if (kind === null) continue;
    const rest = cheapestPlan(size / order, fields);
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

/** The largest size below `size` that divides it and has a plan. */
function largestBlock(size: number): number {
  const root = Math.floor(Math.sqrt(size));
  const divisors = Array.from({ length: root }, (_, i) => i + 1).filter((d) => size % d === 0);
  const blocks = [...divisors.slice(1).map((d) => size / d), ...divisors.reverse()];
  return blocks.find((block) => searchPlan(block) !== null) ?? 1;
}

/** The next size that has a plan, a multiple of 4; 2^24 has one. */
function nextSize(size: number): number {
  let next = size + 4 - (size % 4);
  while (searchPlan(next) === null) next += 4;
  return next;
}

/** 1150 → "2·5²·23". */
function factorization(size: number): string {
  const parts: string[] = [];
  let rest = size;
  for (let prime = 2; rest > 1; prime++) {
    // what is left has no factor up to its root
    if (prime * prime > rest) prime = rest;
    let power = 0;
    for (; rest % prime === 0; rest /= prime) power++;
    if (power === 1) parts.push(`${prime}`);
    if (power > 1)
      parts.push(prime + [...`${power}`].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join(''));
  }
  return parts.join('·');
}
