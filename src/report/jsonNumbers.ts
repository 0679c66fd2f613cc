import { type Reader, refuse } from '../../ops/common/readers.js';

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
export const readNumber: Reader<number> = (value, path, by) => {
  if (typeof value === 'number') return value;
  const special = typeof value === 'string' ? SPECIAL.get(value) : undefined;
  if (special !== undefined) return special;
  const plain = value === null ? 'Write reports with reportJson: JSON.stringify loses ∞.' : '';
  return refuse(by, path, 'a number, or "Infinity"', value, plain);
};
