import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';

/**
 * Checks a parsed JSON value, found at a path like `report.linears[3].name`, and makes what it
 * stands for.
 */
export type Reader<T> = (value: unknown, path: string) => T;

/** The numbers that JSON has no literal for, as `encodeNumber` writes them. */
const SPECIAL = new Map<string, number>([
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['NaN', Number.NaN],
  ['-0', -0],
]);

/** A number for JSON: as it is where JSON can hold it, else its name as a string. */
export function encodeNumber(value: number): number | string {
  for (const [name, special] of SPECIAL) if (Object.is(value, special)) return name;
  return value;
}

/** A number as `encodeNumber` wrote it. */
export const readNumber: Reader<number> = (value, path) => {
  if (typeof value === 'number') return value;
  const special = typeof value === 'string' ? SPECIAL.get(value) : undefined;
  if (special !== undefined) return special;
  const plain = value === null ? 'Write reports with reportJson: JSON.stringify loses ∞.' : '';
  return refuse(path, 'a number, or "Infinity"', value, plain);
};

export const readString: Reader<string> = (value, path) =>
  typeof value === 'string' ? value : refuse(path, 'a string', value);

/** One of a few strings or numbers. */
export function readOneOf<const T extends string | number>(choices: readonly T[]): Reader<T> {
  return (value, path) => {
    const choice = choices.find((one) => one === value);
    return choice ?? refuse(path, choices.map((one) => JSON.stringify(one)).join(' or '), value);
  };
}

export function readNullable<T>(read: Reader<T>): Reader<T | null> {
  return (value, path) => (value === null ? null : read(value, path));
}

/** An array of anything, or of `length` things. */
export function readArray<T>(read: Reader<T>, length?: number): Reader<T[]> {
  return (value, path) => {
    if (!Array.isArray(value) || (length !== undefined && value.length !== length)) {
      return refuse(path, length === undefined ? 'an array' : `an array of ${length}`, value);
    }
    return value.map((item, i) => read(item, `${path}[${i}]`));
  };
}

/** An object with these fields; others are left out. */
export function readObject<T extends object>(
  fields: {
    readonly [K in keyof T]: Reader<T[K]>;
  },
): Reader<T> {
  const entries = Object.entries(fields) as [string, Reader<unknown>][];
  return (value, path) => {
    const given = fieldsOf(value, path);
    const read = entries.map(([name, field]) => [name, field(given[name], `${path}.${name}`)]);
    return Object.fromEntries(read) as T;
  };
}

/** An object with some of these keys, and no others. */
export function readRecord<K extends string, T>(
  keys: readonly K[],
  read: Reader<T>,
): Reader<Partial<Record<K, T>>> {
  const key = readOneOf(keys);
  return (value, path) => {
    const entries = Object.entries(fieldsOf(value, path));
    return Object.fromEntries(
      entries.map(([name, item]) => [key(name, `a key of ${path}`), read(item, `${path}.${name}`)]),
    ) as Partial<Record<K, T>>;
  };
}

function fieldsOf(value: unknown, path: string): Record<string, unknown> {
  const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : refuse(path, 'an object', value);
}

function refuse(path: string, wanted: string, value: unknown, wayOut = ''): never {
  const got = value === undefined ? 'nothing' : describe(value);
  throw new InvalidArgumentError('parseReport', path, wanted, got, wayOut);
}
