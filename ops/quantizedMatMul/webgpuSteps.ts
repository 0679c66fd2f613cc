import { fitsIn, type GroupedFormat } from '../numerics/formats.js';
import { groupSizeOf, type QuantizedMatMulAttrs } from './contract.js';

/**
 * The channels in steps of so many words of four: kernels load a step at a time, and multiply
 * integers within it. A step lies within a group of W and one of x.
 */
export interface Steps {
  readonly words: number; // of 4 channels, a step
  readonly count: number;
  readonly perGroup: number; // steps that share a scale of W
  readonly perXGroup: number; // steps that share a scale of x
  /** Whether there is one group: then all steps are added up as integers. */
  readonly whole: boolean;
  /** Of the codes, which activations' zero points are multiplied by. */
  readonly sums: CodeSums;
}

/**
 * Sums of codes that are kept: of all, of each step, or of all times their scales, where x has one
 * zero point a row and W several scales.
 */
export type CodeSums = 'all' | 'steps' | 'scaled';

/** Words of a step at most: 64 channels, one group of the usual 4-bit weights. */
const MOST_WORDS = 16;

/** Channels of a group at most, so that sums of products of 8 bits stay below 2^31. */
const MOST_CHANNELS = 2 ** 16;

/** Channels that a word of packed weights holds. */
export function channelsPerWord(format: GroupedFormat): 4 | 8 {
  return fitsIn(format, 4) ? 8 : 4;
}

/** Null where a group ends within a word. */
export function stepsOf(
  { d, xFormat }: Pick<QuantizedMatMulAttrs, 'd' | 'xFormat'>,
  format: GroupedFormat,
): Steps | null {
  const [size, xSize] = [groupSizeOf(format, d), groupSizeOf(xFormat, d)];
  const common = [size, xSize].filter((one) => one < d).reduce(greatestDivisor, 0);
  const unit = channelsPerWord(format);
  if (common % unit !== 0) return null;
  const words = common === 0 ? MOST_WORDS : wordsIn(common, unit);
  const count = Math.ceil(d / (4 * words));
  const whole = common === 0 && d <= MOST_CHANNELS;
  return {
    words,
    count,
    perGroup: size < d ? size / (4 * words) : count,
    perXGroup: xSize < d ? xSize / (4 * words) : count,
    whole,
    sums: whole ? 'all' : xSize < d ? 'steps' : 'scaled',
  };
}

/** The longest step that a group is a multiple of. */
function wordsIn(groupSize: number, unit: number): number {
  let words = MOST_WORDS;
  while ((groupSize / 4) % words !== 0 || (4 * words) % unit !== 0) words--;
  return words;
}

function greatestDivisor(a: number, b: number): number {
  return a === 0 ? b : greatestDivisor(b % a, a);
}
