import { groupBy } from '../math/groups.js';
import type { Method } from '../quantize/methods.js';
import type { Role } from '../recognize/role.js';
import type { LinearReport, QuantizationReport } from './report.js';
import { isWhole, treatmentName } from './treatment.js';

/** Every method, best first: the order of columns and legends. */
export const METHODS = [
  'hadanorm',
  'centered',
  'hadamard',
  'smoothquant',
  'rtn',
] as const satisfies readonly Method[];

/** What a table or a plot calls each method. */
export const METHOD_NAMES: Readonly<Record<Method, string>> = {
  hadanorm: 'HadaNorm',
  centered: 'Centered',
  hadamard: 'Hadamard',
  smoothquant: 'SmoothQuant',
  rtn: 'Round to nearest',
};

/** What stands where there is no value. */
export const NOTHING = '–';

const ELLIPSIS = '…';
const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** Decibels with one decimal: `23.4`, `∞`; an en dash for null. */
export function formatDb(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return NOTHING;
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  return value.toFixed(1).replace('-', '−');
}

/** Bytes in powers of 1000, with three digits: `2.36 MB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3 + 1e-12);
  const unit = Math.min(power, BYTE_UNITS.length - 1);
  const value = bytes / 1000 ** unit;
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/** How many times smaller: `7.9×`. */
export function formatRatio({ before, after }: LinearReport['bytes']): string {
  return after > 0 ? formatTimes(before / after) : NOTHING;
}

/** A factor with one decimal: `7.9×`. */
export function formatTimes(factor: number): string {
  return `${Number.isFinite(factor) ? factor.toFixed(1) : '∞'}×`;
}

/** `W4A4`, `W8` for weights only; an en dash for a linear left as it is. */
export function formatBits({ weightBits, activationBits }: LinearReport): string {
  const parts = [
    ...(weightBits === null ? [] : [`W${weightBits}`]),
    ...(activationBits === null ? [] : [`A${activationBits}`]),
  ];
  return parts.join('') || NOTHING;
}

/** What was done to a linear, in a word or two. */
export function formatTreatment({ treatment, method, parts, rounding }: LinearReport): string {
  if (treatment === 'untouched') return 'untouched';
  const gptq = rounding === 'gptq' ? ' + GPTQ' : '';
  if (treatment === 'weightOnly' || parts === undefined) {
    return `${treatment === 'weightOnly' ? 'weights only' : (method ?? treatment)}${gptq}`;
  }
  const { branch: _, lowRank, ...bare } = parts;
  const less = method === 'hadanorm' && !isWhole(bare);
  const name = less ? `hadanorm: ${treatmentName(bare)}` : (method ?? treatment);
  return `${name}${lowRank === undefined ? '' : ` + branch ${lowRank}`}${gptq}`;
}

/** Text for a terminal: control characters, line ends and escape codes among them, show as `�`. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, '�');
}

/**
 * A name in at most `width` characters, its end and its numbers kept longest: segments (between
 * `/`) without a digit leave first, from the middle on. `dit/blocks/12/attention/proj/MatMul`
 * becomes `dit/…/12/…/proj/MatMul`.
 */
export function shortenName(name: string, width: number): string {
  let segments = name.split('/');
  while (lengthOf(segments) > width) {
    const leaving = middlemost(segments, (segment) => segment !== ELLIPSIS && !/\d/.test(segment));
    if (leaving === null) break;
    segments = segments
      .map((segment, i) => (i === leaving ? ELLIPSIS : segment))
      .filter((segment, i, all) => segment !== ELLIPSIS || all[i - 1] !== ELLIPSIS);
  }
  const longest = segments.reduce((a, b) => (b.length > a.length ? b : a));
  const rest = width - (lengthOf(segments) - [...longest].length);
  const cut = segments.map((segment) => (segment === longest ? cutMiddle(segment, rest) : segment));
  return cutMiddle(cut.join('/'), width);
}

/** The linears of each role, in the order in which the roles first appear. */
export function groupByRole(linears: readonly LinearReport[]): Map<Role, LinearReport[]> {
  return groupBy(linears, ({ role }) => role);
}

/**
 * What a report compares its own method with, in the order of `METHODS`; for 'auto' that is every
 * method.
 */
export function otherMethods({ method: own, linears }: QuantizationReport): Method[] {
  const compared = METHODS.filter((method) => linears.some((linear) => linear.compared[method]));
  return compared.filter((method) => method !== own);
}

/** The mean of the numbers there are; null of none. */
export function meanOf(values: readonly (number | null | undefined)[]): number | null {
  const numbers = values.filter((value) => typeof value === 'number');
  if (numbers.length === 0) return null;
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}

function lengthOf(segments: readonly string[]): number {
  return [...segments.join('/')].length;
}

/** Which segment nearest to the middle may leave; null for none. The last one never may. */
function middlemost(
  segments: readonly string[],
  mayLeave: (segment: string) => boolean,
): number | null {
  const middle = (segments.length - 1) / 2;
  const candidates = segments.flatMap((segment, i) =>
    i < segments.length - 1 && mayLeave(segment) ? [i] : [],
  );
  candidates.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
  return candidates[0] ?? null;
}

function cutMiddle(text: string, width: number): string {
  const characters = [...text];
  if (characters.length <= width) return text;
  const kept = Math.max(1, width - 1);
  const head = Math.ceil(kept / 2);
  const tail = kept - head;
  return [...characters.slice(0, head), ELLIPSIS, ...characters.slice(-tail || Infinity)].join('');
}
