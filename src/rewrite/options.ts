import type { CalibrationStats } from '../calibrate/stats.js';
import type { BranchKind } from '../quantize/branch.js';
import type { Method } from '../quantize/methods.js';
import type { Selector } from '../recognize/fits.js';
import type { TokenMaskOption } from '../recognize/tokenMaskOption.js';

/** How the weights of a linear are quantized: symmetric, scale · code. */
export interface WeightOptions {
  /** 2 to 8, or null to leave them in float32. Default 4. */
  bits?: number | null;
  /**
   * Which weights share a scale: `groupSize` input channels of one output channel, or all of them.
   * Default 'perGroup'.
   */
  granularity?: 'perGroup' | 'perChannel';
  /** Input channels per group. Default 64. */
  groupSize?: number;
  /**
   * Search the scale with the least squared error, or take the largest magnitude. Default 'search'.
   */
  clipping?: 'search' | 'none';
  /** Default 'gptq' at 4 bits and fewer where the statistics hold a Hessian, else 'nearest'. */
  rounding?: 'nearest' | 'gptq';
}

/** How the activations that enter a linear are quantized. */
export interface ActivationOptions {
  /** 2 to 8, or null to leave them in float32. Default 8. */
  bits?: number | null;
  /** Default false: asymmetric, with a zero point. */
  symmetric?: boolean;
  /**
   * Which values share a scale. Default 'perToken'; at 4 bits and fewer 'perGroup' of each token's
   * channels.
   */
  granularity?: 'perToken' | 'perGroup' | 'perTensor';
  /** Channels per group. Default 64. */
  groupSize?: number;
  /** 'static' takes the range from the calibration data, one for the tensor. Default 'dynamic'. */
  range?: 'dynamic' | 'static';
}

/** What is done to a linear: a method, and any of its parts otherwise. */
export interface LinearOptions {
  /**
   * - `hadanorm` (default): center dynamically, balance, rotate (arXiv 2506.09932), or less of that
   *   where it measures no worse: see `center`.
   * - `centered`: center dynamically, no more.
   * - `hadamard`: rotate (QuaRot, arXiv 2404.00456).
   * - `smoothquant`: scale by max|X|^α / max|W|^(1−α) (arXiv 2211.10438).
   * - `rtn`: nothing, round to nearest.
   * - `auto`: measure all of these on the calibration data and take the best for each site: the
   *   linears that read one tensor.
   */
  method?: Method | 'auto';
  weights?: WeightOptions;
  activations?: ActivationOptions;
  /**
   * Subtract each channel's mean over the tokens: of every sample as it comes ('dynamic'), or the
   * calibration's ('static'). 'auto', HadaNorm's default, measures each site on the calibration
   * data: 'dynamic' with the balanced scale, and not centered, with that scale and without (unless
   * `scale` is given). The one with the least error of the outputs of the site's linears is taken,
   * within 0.05 dB of it the cheapest at run time, and none that does worse than plain Hadamard.
   * Without such data it is 'dynamic'.
   */
  center?: 'none' | 'static' | 'dynamic' | 'auto';
  /** @deprecated Now `center`. */
  centre?: 'none' | 'static' | 'dynamic';
  /**
   * Directions of the mean's variation whose product is by the original weights, 0 to 64. 'auto',
   * HadaNorm's default, is a 48th of the layer's smaller width, from 8 to 32: 8 for a width of 384,
   * 24 for 1152.
   */
  meanRank?: number | 'auto';
  /**
   * The static channel scale σ. Default 'balanced': sqrt(std / ‖w‖), or std^¼ / sqrt(‖w‖) before
   * GPTQ.
   */
  scale?: 'balanced' | 'std' | 'smoothquant' | 'none';
  /** SmoothQuant's α. Default 0.5. */
  alpha?: number;
  /**
   * Multiply by a Hadamard matrix. 'auto', HadaNorm's default, measures on the calibration data
   * whether that helps, where activations have 6 bits and more: fewer always need it. Without such
   * data it rotates. A width without such a matrix is not rotated; with true it is an error.
   */
  rotate?: boolean | 'auto';
  /** Random signs before the rotation. Default true. */
  signs?: boolean;
  /**
   * Directions of a site that are multiplied apart, beside the codes (a low-rank branch), of
   * transformed linears. The linears that read one tensor share them. They take the mean along, so
   * `meanRank` 'auto' is 0 with them. 8 bits a number. 'auto': more where more is lost, 16 where
   * the outputs have 32 dB without them and one more for every decibel less, 32 at most, within 18
   * % of the bytes of the site's weights. Default 'auto' with the methods `hadanorm` and `auto`;
   * 0, none, with the others.
   */
  lowRank?: number | 'auto';
  /**
   * Which directions:
   * - `errors`: those in which rounding the weights errs most by what passes them;
   * - `activations`: those in which what passes varies most (arXiv 2606.01412);
   * - `subtracted`: the same, and they are taken out of what is quantized (arXiv 2605.16732);
   * - `weights`: the singular directions of the weights (SVDQuant, arXiv 2411.05007).
   *
   * Default 'auto': `errors`; where activations have 5 bits or fewer the better by measurement of
   * `subtracted` and `errors`. Without a Hessian in the statistics it is always `weights`.
   */
  branch?: BranchKind | 'auto';
  /** Channels that one Hadamard matrix mixes; must divide the layer's. Default all of them. */
  blockSize?: number;
}

/** Options for some linears; later rules win. A rule without `role` and `match` is for all. */
export interface Rule extends LinearOptions, Selector {
  /** What to do: 'transform' activations and weights, quantize 'weightOnly', or 'skip'. */
  treatment?: 'transform' | 'weightOnly' | 'skip';
}

/** Options of `rewriteGraph`. */
export interface RewriteOptions extends LinearOptions {
  /** From `calibrate`. Needed by every method but `hadamard` and `rtn`. */
  stats?: CalibrationStats;
  /** Mixed precision and exclusions, by role and name. */
  rules?: readonly Rule[];
  /**
   * The linears that are left untransformed (modulation, embeddings, final layer); false leaves
   * them alone. Default 8 bits. Unless it is false or its `bits` null, tables of embeddings that
   * are read row by row, of 2^18 numbers and more, get 8 bits too, with a scale for each row.
   */
  weightOnly?: WeightOptions | false;
  /**
   * How the model computes. Default 'integer'.
   * - `simulate`: activations are quantized and dequantized by nodes of their own, products are of
   *   float32 numbers.
   * - `integer`: one node centers, scales, rotates and quantizes, products are of codes by packed
   *   codes and apply the activation function behind them. Backends with kernels for both multiply
   *   integers (the report says which linears); on others the same graph runs as compositions of
   *   tfjs ops. The codes are those of 'simulate'.
   */
  mode?: 'simulate' | 'integer';
  /**
   * Put fused ops in the place of attention and norms, and lower products that tfjs runs slowly or
   * wrongly, as `fuseGraph` does; where something was quantized. Default: true in mode 'integer',
   * false in mode 'simulate'.
   */
  fuse?: boolean;
  /**
   * Which tokens count at run time: means are of those, and what the others hold changes nothing
   * else. Statistics should have been made with the same. Default 'auto': those that some attention
   * of the model sees.
   */
  tokenMask?: TokenMaskOption;
  /** Seed of the random signs. Default 0. */
  seed?: number;
  /**
   * Measure rtn, smoothquant and hadamard too, for the report, each without a branch; it takes as
   * long as quantizing with each. Default true.
   */
  compare?: boolean;
  /**
   * Ranks of the branch that are measured beside the one that is taken, where there is one: for
   * `recommendRules`, which then has ranks and bits to choose from. Each takes up to as long as
   * quantizing does. Default none; with a `target` `quantize` measures 8, 16, 24, 32 and 48.
   */
  ranks?: readonly number[];
}

/** Ranks that are measured for a `target`, where none were asked for. */
export const TARGET_RANKS = [8, 16, 24, 32, 48] as const;

/** What an absent option means; a method sets its own parts. */
export const REWRITE_DEFAULTS = {
  method: 'hadanorm',
  weights: { bits: 4, granularity: 'perGroup', groupSize: 64, clipping: 'search' },
  activations: { bits: 8, symmetric: false, groupSize: 64, range: 'dynamic' },
  weightOnly: { bits: 8, granularity: 'perChannel', groupSize: 64, clipping: 'search' },
  lowRank: 'auto',
  branch: 'auto',
  mode: 'integer',
  tokenMask: 'auto',
  seed: 0,
  compare: true,
} as const satisfies RewriteOptions;
