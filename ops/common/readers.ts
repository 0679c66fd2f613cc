import { describe, InvalidArgumentError } from '../numerics/errors.js';

/** Who reads, for errors, and what a caller can do about what cannot be read. */
export interface ReadFor {
  readonly op: string;
  readonly wayOut?: string;
}

/**
 * Checks a parsed JSON value, found at a path like `report.linears[3].name`, and makes what it
 * stands for.
 * @throws InvalidArgumentError that names the path.
 */
export type Reader<T> = (value: unknown, path: string, by: ReadFor) => T;

export const readString: Reader<string> = (value, path, by) =>
  typeof value === 'string' ? value : refuse(by, path, 'a string', value);

export const readBoolean: Reader<boolean> = (value, path, by) =>
  typeof value === 'boolean' ? value : refuse(by, path, 'true or false', value);

/** An integer from `min` to `max`. */
export function readInteger(min: number, max = Number.MAX_SAFE_INTEGER): Reader<number> {
  const wanted =
    max === Number.MAX_SAFE_INTEGER ? `an integer ≥ ${min}` : `an integer from ${min} to ${max}`;
  return (value, path, by) => {
    const fits =
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
    return fits ? (value as number) : refuse(by, path, wanted, value);
  };
}

/** A finite number. */
export const readFinite: Reader<number> = (value, path, by) =>
  Number.isFinite(value) ? (value as number) : refuse(by, path, 'a finite number', value);

/** One of a few strings or numbers. */
export function readOneOf<const T extends string | number>(choices: readonly T[]): Reader<T> {
  return (value, path, by) => {
    const choice = choices.find((one) => one === value);
    return (
      choice ?? refuse(by, path, choices.map((one) => JSON.stringify(one)).join(' or '), value)
    );
  };
}

export function readNullable<T>(read: Reader<T>): Reader<T | null> {
  return (value, path, by) => (value === null ? null : read(value, path, by));
}

/** An array of anything, or of `length` things. */
export function readArray<T>(read: Reader<T>, length?: number): Reader<T[]> {
  return (value, path, by) => {
    if (!Array.isArray(value) || (length !== undefined && value.length !== length)) {
      return refuse(by, path, length === undefined ? 'an array' : `an array of ${length}`, value);
    }
    // from, for map leaves out what was never set
    return Array.from(value, (item, i) => read(item, `${path}[${i}]`, by));
  };
}

/** An object with these fields; others are left out. */
export function readObject<T extends object>(
  fields: {
    readonly [K in keyof T]: Reader<T[K]>;
  },
): Reader<T> {
  const entries = Object.entries(fields) as [string, Reader<unknown>][];
  return (value, path, by) => {
    const given = recordOf(value, path, by);
    const read = entries.map(([name, field]) => [name, field(given[name], `${path}.${name}`, by)]);
    return Object.fromEntries(read) as T;
  };
}

/** An object with some of these keys, and no others. */
export function readRecord<K extends string, T>(
  keys: readonly K[],
  read: Reader<T>,
): Reader<Partial<Record<K, T>>> {
  const key = readOneOf(keys);
  return (value, path, by) => {
    const entries = Object.entries(recordOf(value, path, by));
    return Object.fromEntries(
      entries.map(([name, item]) => [
        key(name, `a key of ${path}`, by),
        read(item, `${path}.${name}`, by),
      ]),
    ) as Partial<Record<K, T>>;
  };
}

/** An object's fields. */
export function recordOf(value: unknown, path: string, by: ReadFor): Record<string, unknown> {
  const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : refuse(by, path, 'an object', value);
}

/** Throws what a reader throws. */
export function refuse(
  { op, wayOut = '' }: ReadFor,
  path: string,
  wanted: string,
  value: unknown,
  also = wayOut,
): never {
  const got = value === undefined ? 'nothing' : describe(value);
  throw new InvalidArgumentError(op, path, wanted, got, also);
}
