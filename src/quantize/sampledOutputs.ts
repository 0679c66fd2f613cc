/** Output channels of a linear that are looked at first, where it has more. */
const SAMPLED_OUTPUTS = 128;

/** Standard errors beyond which what a sample of the outputs says holds for all of them. */
const SURE = 4;

/** What a linear loses in its output channels, over the energy of all that are there. */
export interface SampledErrors {
  readonly errors: Float64Array;
  /** Whether these are all of its channels. */
  readonly isAll: boolean;
}

/** Which of a linear's n output channels stand for it, evenly spread; null: all of them. */
export function pickedOutputs(n: number): Int32Array | null {
  if (n <= SAMPLED_OUTPUTS) return null;
  const step = n / SAMPLED_OUTPUTS;
  return Int32Array.from({ length: SAMPLED_OUTPUTS }, (_, at) => Math.floor((at + 0.5) * step));
}

/** Some columns of a matrix [rows, n]; null: all of them. */
export function columns(
  matrix: Float32Array,
  rows: number,
  n: number,
  picked: Int32Array | null,
): Float32Array {
  if (picked === null) return matrix;
  const { length } = picked;
  const out = new Float32Array(rows * length);
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < length; at++) out[row * length + at] = matrix[row * n + picked[at]!]!;
  }
  return out;
}

/** The errors of outputs [count, n], channel by channel. */
export function sampledErrors(
  exact: Float32Array,
  output: Float32Array,
  n: number,
  isAll: boolean,
): SampledErrors {
  const errors = new Float64Array(n);
  let signal = 0;
  for (let at = 0, c = 0; at < exact.length; at++) {
    signal += exact[at]! ** 2;
    errors[c] = errors[c]! + (exact[at]! - output[at]!) ** 2;
    if (++c === n) c = 0;
  }
  return { errors: errors.map((error) => error / signal), isAll };
}

/**
 * Whether the linears of a site lose more in one way than in another by more than `dB`, and by so
 * much more that other channels would say the same: the two are compared channel by channel, for
 * what is hard to round in one way is so in the other too.
 */
export function isSurelyBehind(
  own: readonly SampledErrors[],
  other: readonly SampledErrors[],
  dB: number,
): boolean {
  const ratio = 10 ** (dB / 10);
  let behind = 0;
  let variance = 0;
  own.forEach(({ errors, isAll }, i) => {
    const lost = errors.map((error, c) => error - ratio * other[i]!.errors[c]!);
    const sum = lost.reduce((all, each) => all + each, 0);
    behind += sum;
    if (isAll) return;
    const mean = sum / lost.length;
    const squares = lost.reduce((all, each) => all + (each - mean) ** 2, 0);
    variance += (squares * lost.length) / (lost.length - 1);
  });
  return behind > SURE * Math.sqrt(variance);
}
