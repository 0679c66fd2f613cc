import type { BranchKind } from './branch.js';
import type { Method, Parts } from './methods.js';
import type { FixedParts } from './transform.js';

/**
 * Signal to quantization noise, 10 log10(Σ signal² / Σ error²), in dB; Infinity where nothing is
 * lost.
 */
export interface Sqnr {
  /** Of the linear's input, its error taken back to the input's own channels. */
  readonly activations: number;
  /** Of the weights, as they act on the linear's input. */
  readonly weights: number;
  /** Of the product X W, the bias left out. */
  readonly output: number;
}

/** Counts of channels by their largest magnitude: bin i holds [edges[i], edges[i + 1]). */
export interface Histogram {
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** What is done to a tensor before it is quantized. */
export type Treatment = Readonly<{
  center: FixedParts['center'];
  scale: Parts['scale'];
  rotate: boolean;
  /** Which directions are multiplied apart, in that rank; absent where none are. */
  branch?: BranchKind;
  lowRank?: number;
}>;

/** A way to treat a site that was measured beside others. */
export interface MeasuredWay extends Treatment {
  readonly method: Method;
  /**
   * SQNR of the outputs of all linears that share the transform, dB: of the mean of their errors,
   * each over its own signal. Of wide linears, what is far behind was measured on some of the
   * output channels alone.
   */
  readonly output: number;
}

/** What a branch of another rank would give a linear, all linears of its transform alike. */
export interface MeasuredRank {
  readonly lowRank: number;
  /**
   * SQNR of its output, dB. Of a linear with more than 128 outputs it was looked at on these alone,
   * and is told by what they gain or lose.
   */
  readonly output: number;
  /** Of the linear as saved, with what it stores of the transform. */
  readonly bytes: number;
}

/** How well a linear is quantized: what a report says of it beside its treatment. */
export interface Measured {
  /** On the calibration data; null without such data. */
  readonly sqnr: Sqnr | null;
  /** Each method on the same data, bits and rounding, without a branch; empty: not compared. */
  readonly compared: Readonly<Partial<Record<Method, Sqnr>>>;
  /** What 8-bit weights and activations would give, for recipes; null without calibration data. */
  readonly at8Bits: { readonly output: number; readonly bytes: number } | null;
  /** Output SQNR by timestep of a transformed linear, where the statistics have timesteps. */
  readonly byTimestep: readonly { readonly timestep: number; readonly output: number }[];
  /**
   * Largest magnitude of each input channel, before and after the transform; null where there is
   * none.
   */
  readonly channels: { readonly before: Histogram; readonly after: Histogram } | null;
  /**
   * What the treatment was chosen from, the cheapest at run time first: the least error of the
   * site's linears won, of equals the cheapest. Absent where the options leave nothing open, or
   * there is no calibration data.
   */
  readonly ways?: readonly MeasuredWay[];
  /**
   * What branches of other ranks would give, ascending; absent where `ranks` asked for none, the
   * linear has no branch, or there is no calibration data.
   */
  readonly atRanks?: readonly MeasuredRank[];
}
