import type { ConfigurationName } from './configurations.js';
import { alike, differenceText, meanDifference, verdictOf } from './differences.js';
import type { EvaluationFile, OfflineRow, PairedRow } from './rows.js';

/** Something that the project asks for. */
export interface Bar {
  readonly what: string;
  readonly asked: string;
  readonly got: string;
  readonly reached: boolean;
}

/**
 * Least difference of HadaNorm's mean of decibels to another configuration's of the same pictures,
 * dB: the lower end of its interval.
 */
const PICTURE_BARS: readonly (readonly [
  model: string,
  bits: string,
  other: ConfigurationName,
  decibels: number,
])[] = [
  ['avatars', 'W4A8', 'hadamard', 1.8],
  ['avatars', 'W4A4', 'hadamard', 2.7],
  ['avatars-nano', 'W4A8', 'hadamard', 3],
  ['avatars-nano', 'W4A4', 'hadamard', 1],
  ['avatars-nano', 'W4A4', 'gptq', 3],
  ['avatars-nano-stress', 'W4A4', 'gptq', 8],
];

/** Most of HadaNorm's bytes at 4 bits, over those of float32. */
const MOST_SIZE = 0.2;

/** Most KID of HadaNorm to the original's samples, avatars-nano. */
const KERNEL_BARS: readonly (readonly [bits: string, most: number])[] = [
  ['W4A8', 0.005],
  ['W4A4', 0.016],
];

/** The bars that the rows can speak to, for each protocol that was measured. */
export function barsOf({ paired, offline }: EvaluationFile): Bar[] {
  const own = paired.filter(({ configuration }) => configuration === 'hadanorm');
  return [
    ...own.flatMap((row) => pictureBars(row, paired)),
    ...own.flatMap((row) => branchBars(row, paired)),
    ...own.flatMap(sizeBars),
    ...offline.flatMap((row) => kernelBars(row, offline)),
  ];
}

function pictureBars(hadanorm: PairedRow, rows: readonly PairedRow[]): Bar[] {
  return PICTURE_BARS.flatMap(([model, bits, other, least]) => {
    if (hadanorm.model !== model || hadanorm.bits !== bits) return [];
    const against = alike(hadanorm, rows, other);
    if (against === undefined) return [];
    const ahead = meanDifference(hadanorm, against);
    return {
      what: `${named(hadanorm)}: mean above \`${other}\`, lower end of the interval`,
      asked: `≥ ${least} dB`,
      got: `${differenceText(ahead)} dB`,
      reached: ahead.low >= least,
    };
  });
}

/** Of the same branch and the same rules, QuaRot must not be told to be better. */
function branchBars(hadanorm: PairedRow, rows: readonly PairedRow[]): Bar[] {
  const against = alike(hadanorm, rows, 'hadamard-preset');
  if (against === undefined) return [];
  const ahead = meanDifference(hadanorm, against);
  return [
    {
      what: `${named(hadanorm)}: mean not below \`hadamard-preset\``,
      asked: 'interval not below 0',
      got: `${differenceText(ahead)} dB`,
      reached: verdictOf(ahead) !== 'below',
    },
  ];
}

function sizeBars(row: PairedRow): Bar[] {
  if (row.bits?.startsWith('W4') !== true) return [];
  return [
    {
      what: `${named(row)}: bytes, over those of fp32`,
      asked: `≤ ${MOST_SIZE.toFixed(2)} ×`,
      got: `${row.size.toFixed(3)} ×`,
      reached: row.size <= MOST_SIZE,
    },
  ];
}

/**
 * HadaNorm at W8A8 is no farther from the original's samples than real pictures may be from real
 * pictures, at 4 bits no farther than a number.
 */
function kernelBars(row: OfflineRow, rows: readonly OfflineRow[]): Bar[] {
  const { configuration, bits, original, model } = row;
  if (configuration !== 'hadanorm' || original === null) return [];
  const floor = rows.find((other) => other.model === model && other.configuration === 'real');
  const asked = KERNEL_BARS.find(([name]) => model === 'avatars-nano' && name === bits)?.[1];
  const max = bits === 'W8A8' ? floor?.real.kid.high : asked;
  if (max === undefined) return [];
  return [
    {
      what: `${model}, ${bits}: KID of HadaNorm to fp32 samples`,
      asked: `≤ ${thousandths(max)} · 10⁻³${bits === 'W8A8' ? ', the real-vs-real floor' : ''}`,
      got: `${thousandths(original.kid.value)} · 10⁻³`,
      reached: original.kid.value <= max,
    },
  ];
}

function named({ model, bits, samples }: PairedRow): string {
  return `${model}, ${bits}, ${samples} pictures`;
}

/** A kernel distance as tables show it. */
export function thousandths(value: number): string {
  return (1000 * value).toFixed(3);
}
