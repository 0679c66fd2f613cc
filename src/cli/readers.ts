import { type Bits, parseBits, parseInteger } from './values.js';

/** Says that a text does not fit; `wanted` where it is not what the reader says. */
export type Wrong = (got: string, wanted?: string) => never;

/** How the text behind a flag is read. */
export interface Reader<T> {
  /** What stands for the text in a usage line. */
  readonly shown: string;
  /** What is right, for errors. */
  readonly wanted: string;
  readonly read: (text: string, wrong: Wrong) => T;
}

/** Any text. */
export function text(shown: string): Reader<string> {
  return { shown, wanted: `a ${shown.toLowerCase()}`, read: (given) => given };
}

/** An integer from `min` on, below 2^32. */
export function integer(min: number, wanted = `an integer ≥ ${min}`): Reader<number> {
  return { shown: 'N', wanted, read: (given, wrong) => parseInteger(given, min) ?? wrong(given) };
}

/** A finite number. */
export const NUMBER: Reader<number> = {
  ...{ shown: 'X', wanted: 'a number' },
  read: (given, wrong) => {
    const value = Number(given);
    return given.trim() !== '' && Number.isFinite(value) ? value : wrong(given);
  },
};

/** One of some names. */
export function oneOf<T extends string>(
  names: readonly T[],
  wanted = names.join(' or '),
): Reader<T> {
  return {
    ...{ shown: names.join('|'), wanted },
    read: (given, wrong) => names.find((name) => name === given) ?? wrong(given),
  };
}

/** Bits such as W4A8, one of a list. */
export function bits(list: string): Reader<Bits> {
  return {
    ...{ shown: list, wanted: `a list such as ${list}, of 2 to 8 bits` },
    read: (given, wrong) => parseBits(given) ?? wrong(given),
  };
}

/** A list with commas. */
export function listOf<T>({ shown, wanted, read }: Reader<T>): Reader<readonly T[]> {
  return {
    ...{ shown, wanted },
    read: (given, wrong) => given.split(',').map((part) => read(part.trim(), wrong)),
  };
}
