import type { AttrValue } from '../../../src/graph/attrs.js';
import { sizeOf } from '../../harness/numbers/random.js';
import type { Random } from '../base/random.js';
import type { Output } from '../guard/runs.js';
import type { Given, Values } from './given.js';

/** float32 numbers of a common size. */
export function floats(random: Random, shape: readonly number[], mean = 0, std = 1): Values {
  return { shape, dtype: 'float32', values: random.normals(sizeOf(shape), mean, std) };
}

/** Numbers that may be divided by. */
export function divisors(random: Random, d: number): Values {
  const { values, ...rest } = floats(random, [d]);
  return { ...rest, values: values.map((v) => (v < 0 ? v - 0.5 : v + 0.5)) };
}

/** Which tokens of x [..., tokens, d] count: of each sample, or the same for all along an axis. */
export function maskFor(random: Random, xShape: readonly number[]): Values {
  const own = xShape.slice(0, -1).map((dim, i) => {
    return i < xShape.length - 2 && random.chance(0.3) ? 1 : dim;
  });
  const shape = own.slice(own[0] === 1 && own.length > 1 && random.chance(0.5) ? 1 : 0);
  const dtype = random.pick(['float32', 'int32', 'bool'] as const);
  const flags = Array.from({ length: sizeOf(shape) }, () => (random.chance(0.6) ? 1 : 0));
  const of = { float32: Float32Array, int32: Int32Array, bool: Uint8Array }[dtype];
  return { shape, dtype, values: of.from(flags) };
}

/** Whether it is a mask of x's tokens. */
export function isMask(mask: Values, xShape: readonly number[]): boolean {
  const shape = xShape.slice(0, -1);
  const missing = shape.length - mask.shape.length;
  if (missing < 0 || mask.shape.length === 0) return false;
  return mask.shape.every((dim, i) => {
    const isLast = i === mask.shape.length - 1;
    return dim === shape[i + missing] || (dim === 1 && !isLast);
  });
}

/** A mask for each token of x, [samples, tokens] flat. */
export function maskOfAll({ shape, values }: Values, xShape: readonly number[]): Float64Array {
  const full = xShape.slice(0, -1);
  const own = [...new Array<number>(full.length - shape.length).fill(1), ...shape];
  return Float64Array.from({ length: sizeOf(full) }, (_, i) => {
    let [rest, at, stride] = [i, 0, 1];
    for (let axis = full.length - 1; axis >= 0; axis--) {
      const index = rest % full[axis]!;
      rest = Math.floor(rest / full[axis]!);
      if (own[axis] !== 1) at += index * stride;
      stride *= own[axis]!;
    }
    return values[at]!;
  });
}

/** The tensors that a chance of one half gives each. */
export function some(
  random: Random,
  all: Readonly<Record<string, () => Values>>,
): Record<string, Values> {
  const entries = Object.entries(all).filter(() => random.chance(0.5));
  return Object.fromEntries(entries.map(([name, make]) => [name, make()]));
}

export function isFloat(values: Values | undefined, shape?: readonly number[]): boolean {
  if (values === undefined || values.dtype !== 'float32') return false;
  return shape === undefined || `${values.shape}` === `${shape}`;
}

/** An attribute that is absent, or an integer within bounds. */
export function isLength(value: unknown, min: number, most = 2 ** 31 - 1): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= most;
}

/** A number itself; of nothing else is anything worked out. */
export function numberOr(value: unknown): number {
  return typeof value === 'number' ? value : Number.NaN;
}

/** Whether all of these hold; null where that is not known of one. */
export function all(...conditions: readonly (boolean | null)[]): boolean | null {
  if (conditions.includes(false)) return false;
  return conditions.includes(null) ? null : true;
}

/** `hasScale` and such, for the tensors that are there. */
export function flagsFor(
  { tensors }: Given,
  flags: Readonly<Record<string, string>>,
): { inputs: string[]; flags: Record<string, AttrValue> } {
  const there = Object.keys(flags).filter((name) => tensors[name] !== undefined);
  return {
    inputs: there,
    flags: Object.fromEntries(there.map((name) => [flags[name]!, { b: true }])),
  };
}

/** float32's least normal number: what is below may be flushed to 0. */
const LEAST = 2 ** -126;

/** The first element that is off by more than its bound; null where there is none. */
export function firstOff(
  what: string,
  actual: ArrayLike<number>,
  exact: ArrayLike<number>,
  bound: (i: number) => number,
): string | null {
  if (actual.length !== exact.length) return `${what}: ${actual.length} elements`;
  for (let i = 0; i < exact.length; i++) {
    const [value, wanted] = [actual[i]!, exact[i]!];
    if (value === wanted || (!Number.isFinite(wanted) && !Number.isFinite(value))) continue;
    const most = bound(i) + LEAST;
    // an infinite one says nothing, nor against a NaN: of −∞ relu makes 0
    if (most === Number.POSITIVE_INFINITY || Math.abs(value - wanted) <= most) continue;
    return `${what} [${i}] is ${value}, not ${wanted} within ${most}`;
  }
  return null;
}

/** Whether an output has the shape that it must; null where it has. */
export function shapeOff(what: string, output: Output | undefined, shape: readonly number[]) {
  if (output !== undefined && `${output.shape}` === `${shape}`) return null;
  return `${what} has shape [${output?.shape}], not [${shape}]`;
}

/** The largest finite magnitude; 0 where there is no tensor. */
export function magnitudeOf(values: Values | undefined): number {
  let most = 0;
  for (const value of values?.values ?? []) {
    if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
  }
  return most;
}

/**
 * Whether numbers are so large, or so small, that float32 leaves its range on some way of adding
 * and multiplying them and not on another.
 */
export function isExtreme({ tensors, attrs }: Given): boolean {
  const beyond = (value: unknown) =>
    typeof value === 'number' &&
    Number.isFinite(value) &&
    value !== 0 &&
    (Math.abs(value) > 1e9 || Math.abs(value) < 1e-9);
  return (
    Object.values(tensors).some(({ values }) => values.some((value) => beyond(value))) ||
    Object.entries(attrs).some(([name, value]) => !/Size|^[dn]$/.test(name) && beyond(value))
  );
}

/** The entries of some of the keys that there are. */
export function pickKeys(
  record: Readonly<Record<string, unknown>>,
  keys: readonly string[],
): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => key in record).map((key) => [key, record[key]]));
}

/** A static range of the attributes `rangeMin` and `rangeMax`, as an option. */
export function rangeOption({ rangeMin, rangeMax }: Given['attrs']): {
  range?: { min: number; max: number };
} {
  if (rangeMin === undefined && rangeMax === undefined) return {};
  return { range: { min: rangeMin as number, max: rangeMax as number } };
}

/** Whether there is no static range, or one of two finite float32 numbers in order. */
export function isRange({ rangeMin, rangeMax }: Given['attrs']): boolean {
  if (rangeMin === undefined && rangeMax === undefined) return true;
  const both = [rangeMin, rangeMax].every(
    (value) => typeof value === 'number' && Number.isFinite(Math.fround(value)),
  );
  return both && (rangeMin as number) <= (rangeMax as number);
}
