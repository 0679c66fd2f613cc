import type { Method } from '../../../src/index.js';
import { decibels, mean } from '../../../src/math/decibels.js';
import { type Estimate, estimateOf, resamplings } from './bootstrap.js';
import type { EvaluationFile, OfflineRow, PairedRow } from './rows.js';

/** Something that the project asks for. */
export interface Bar {
  readonly what: string;
  readonly asked: string;
  readonly got: string;
  readonly reached: boolean;
}

/**
 * Least PSNR of HadaNorm at W4A4 above another method's, dB, over 64 samples of 8 steps without
 * guidance.
 */
const PSNR_BARS: readonly (readonly [model: string, other: Method, decibels: number])[] = [
  ['avatars-nano', 'rtn', 3],
  ['avatars-nano', 'hadamard', 1],
  ['avatars-nano-stress', 'rtn', 8],
];

/** Resamplings of the pictures, for the interval of a difference in PSNR. */
const REPLICATES = 1000;

/** The bars that the rows can speak to, for each rounding and each protocol that was measured. */
export function barsOf({ paired, offline }: EvaluationFile): Bar[] {
  return [...PSNR_BARS.flatMap((bar) => psnrBars(paired, bar)), ...kernelBars(offline)];
}

/**
 * The PSNR of all pictures together, which the worst ones decide, and the mean of the pictures'
 * own.
 */
function psnrBars(
  rows: readonly PairedRow[],
  [model, other, decibels]: (typeof PSNR_BARS)[number],
): Bar[] {
  const own = rows.filter((row) => row.model === model && row.bits === 'W4A4');
  return own.flatMap((hadanorm) => {
    const against = own.find((row) => row.method === other && isAlike(row, hadanorm));
    if (hadanorm.method !== 'hadanorm' || against === undefined) return [];
    const { samples, seed } = hadanorm;
    const of = `${model}, W4A4, ${samples} samples, seed ${seed}${roundingNote(hadanorm)}`;
    const what = `${of}: PSNR of HadaNorm above ${other}’s`;
    return [
      { name: 'all pictures together', ahead: pooledDifference(hadanorm, against) },
      { name: 'mean of the pictures', ahead: meanDifference(hadanorm, against) },
    ].map(({ name, ahead }) => ({
      what: `${what}, ${name}`,
      asked: `≥ ${decibels} dB`,
      got: `${ahead.value.toFixed(2)} dB [${ahead.low.toFixed(2)}, ${ahead.high.toFixed(2)}]`,
      reached: ahead.value >= decibels,
    }));
  });
}

/** How much higher the PSNR of all pictures is, dB, over the same pictures. */
function pooledDifference(a: PairedRow, b: PairedRow): Estimate {
  const errors = ({ pictures }: PairedRow) => pictures.map((psnr) => 10 ** (-psnr / 10));
  const [own, others] = [errors(a), errors(b)];
  const weighted = (values: readonly number[], counts: Float32Array) =>
    values.reduce((sum, value, i) => sum + counts[i]! * value, 0);
  return overPictures(a, (counts) => decibels(weighted(others, counts) / weighted(own, counts)));
}

function meanDifference(a: PairedRow, b: PairedRow): Estimate {
  return overPictures(a, (counts) =>
    mean(a.pictures.map((psnr, i) => counts[i]! * (psnr - b.pictures[i]!))),
  );
}

/** A figure of the pictures, and its bootstrap interval over them. */
function overPictures(
  { pictures, seed }: PairedRow,
  figure: (counts: Float32Array) => number,
): Estimate {
  const all = new Float32Array(pictures.length).fill(1);
  return estimateOf(figure(all), resamplings(pictures.length, REPLICATES, seed).map(figure));
}

/**
 * HadaNorm at W8A8 is no farther from the original's samples than real pictures may be from real
 * pictures.
 */
function kernelBars(rows: readonly OfflineRow[]): Bar[] {
  return rows.flatMap((row) => {
    const { method, bits, original, model } = row;
    const floor = rows.find((other) => other.model === model && other.method === 'real');
    if (method !== 'hadanorm' || bits !== 'W8A8' || original === null || floor === undefined) {
      return [];
    }
    const max = floor.real.kid.high;
    const what = 'KID of HadaNorm to fp32 samples within the real-vs-real floor';
    return {
      what: `${model}, W8A8${roundingNote(row)}: ${what}`,
      asked: `≤ ${thousandths(max)} · 10⁻³`,
      got: `${thousandths(original.kid.value)} · 10⁻³`,
      reached: original.kid.value <= max,
    };
  });
}

function isAlike(a: PairedRow, b: PairedRow): boolean {
  return (['rounding', 'steps', 'seed', 'samples'] as const).every((key) => a[key] === b[key]);
}

function roundingNote({ rounding }: PairedRow | OfflineRow): string {
  return rounding === 'auto' ? '' : ` (rounding ${rounding})`;
}

/** A kernel distance as tables show it. */
export function thousandths(value: number): string {
  return (1000 * value).toFixed(3);
}
