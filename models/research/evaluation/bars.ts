import { BACKEND_TEXTS } from './cells.js';
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
 * Least difference of a configuration's mean of decibels to another's of the same pictures, dB: the
 * lower end of its interval.
 */
const PICTURE_BARS: readonly (readonly [
  own: ConfigurationName,
  model: string,
  bits: string,
  other: ConfigurationName,
  decibels: number,
])[] = [
  ['hadanorm', 'avatars', 'W4A8', 'hadamard', 1.8],
  ['hadanorm', 'avatars', 'W4A4', 'hadamard', 2.7],
  ['hadanorm-sequential', 'avatars', 'W4A8', 'hadamard', 2.3],
  ['hadanorm-rank32', 'avatars', 'W4A8', 'hadamard', 3.5],
  ['hadanorm-rank32', 'avatars', 'W4A4', 'hadamard', 4],
  ['hadanorm', 'avatars-nano', 'W4A8', 'hadamard', 3],
  ['hadanorm-sequential', 'avatars-nano', 'W4A8', 'hadamard', 3.5],
  ['hadanorm', 'avatars-nano', 'W4A4', 'hadamard', 1],
  ['hadanorm', 'avatars-nano', 'W4A4', 'gptq', 3],
  ['hadanorm', 'avatars-nano-stress', 'W4A4', 'gptq', 8],
];

/** QuaRot, and no less. */
const LIKE_WITH_LIKE: Partial<Record<ConfigurationName, ConfigurationName>> = {
  hadanorm: 'hadamard-preset',
  'hadanorm-rank32': 'hadamard-rank32',
};

/** Least SQNR of the velocity, dB. */
const VELOCITY_BARS: readonly (readonly [
  own: ConfigurationName,
  model: string,
  bits: string,
  decibels: number,
])[] = [
  ['hadanorm', 'avatars', 'W4A8', 31.5],
  ['hadanorm', 'avatars', 'W4A4', 26.9],
  ['hadanorm-rank32', 'avatars', 'W4A8', 33],
  ['hadanorm-rank32', 'avatars', 'W4A4', 28.3],
  ['hadanorm', 'avatars-nano', 'W4A8', 31],
  ['hadanorm', 'avatars-nano', 'W4A4', 26.5],
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
    ...PICTURE_BARS.flatMap((bar) => pictureBars(bar, paired)),
    ...paired.flatMap((row) => branchBars(row, paired)),
    ...own.flatMap(sizeBars),
    ...VELOCITY_BARS.flatMap((bar) => velocityBars(bar, paired)),
    ...offline.flatMap((row) => kernelBars(row, offline)),
  ];
}

function pictureBars(
  [configuration, model, bits, other, least]: (typeof PICTURE_BARS)[number],
  rows: readonly PairedRow[],
): Bar[] {
  return rowsOf(configuration, model, bits, rows).flatMap((row) => {
    const against = alike(row, rows, other);
    if (against === undefined) return [];
    const ahead = meanDifference(row, against);
    return {
      what: `${named(row)}: mean above \`${other}\`, lower end of the interval`,
      asked: `≥ ${least} dB`,
      got: `${differenceText(ahead)} dB`,
      reached: ahead.low >= least,
    };
  });
}

/** Of the same branch and the same rules, QuaRot must not be told to be better. */
function branchBars(row: PairedRow, rows: readonly PairedRow[]): Bar[] {
  const other = LIKE_WITH_LIKE[row.configuration as ConfigurationName];
  const against = other && alike(row, rows, other);
  if (against === undefined) return [];
  const ahead = meanDifference(row, against);
  return [
    {
      what: `${named(row)}: mean not below \`${other}\``,
      asked: 'interval not below 0',
      got: `${differenceText(ahead)} dB`,
      reached: verdictOf(ahead) !== 'below',
    },
  ];
}

function velocityBars(
  [configuration, model, bits, least]: (typeof VELOCITY_BARS)[number],
  rows: readonly PairedRow[],
): Bar[] {
  return rowsOf(configuration, model, bits, rows).map((row) => ({
    what: `${named(row)}: SQNR of the velocity`,
    asked: `≥ ${least} dB`,
    got: `${row.velocity.mean.toFixed(2)} dB`,
    reached: row.velocity.mean >= least,
  }));
}

function rowsOf(
  configuration: ConfigurationName,
  model: string,
  bits: string,
  rows: readonly PairedRow[],
): PairedRow[] {
  return rows.filter(
    (row) => row.configuration === configuration && row.model === model && row.bits === bits,
  );
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
  const { configuration, bits, original, model, backend } = row;
  if (configuration !== 'hadanorm' || original === null) return [];
  const floor = rows.find((other) => other.model === model && other.configuration === 'real');
  const asked = KERNEL_BARS.find(([name]) => model === 'avatars-nano' && name === bits)?.[1];
  const max = bits === 'W8A8' ? floor?.real.kid.high : asked;
  if (max === undefined) return [];
  return [
    {
      what: `${model}, ${bits}, ${BACKEND_TEXTS[backend]}: KID of HadaNorm to fp32 samples`,
      asked: `≤ ${thousandths(max)} · 10⁻³${bits === 'W8A8' ? ', the real-vs-real floor' : ''}`,
      got: `${thousandths(original.kid.value)} · 10⁻³`,
      reached: original.kid.value <= max,
    },
  ];
}

function named({ configuration, model, bits, backend, samples }: PairedRow): string {
  const what = configuration === 'hadanorm' ? '' : ` \`${configuration}\``;
  return `${model}, ${bits}${what}, ${samples} pictures, ${BACKEND_TEXTS[backend]}`;
}

/** A kernel distance as tables show it. */
export function thousandths(value: number): string {
  return (1000 * value).toFixed(3);
}
