import { bytesOf, FLOAT16 } from '../../ops/numerics/formats.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import { comparable } from '../math/decibels.js';
import { type FittedBranch, fitBranch, roundedTarget, withoutBranch } from './branch.js';
import type { WayBranch } from './candidates.js';
import type { Feedback } from './feedback.js';
import { feedbackOf, momentsFor } from './hessian.js';
import { roundedWeights } from './quantizeLinear.js';
import { type LinearSettings, wantsGptq } from './settings.js';
import { type Transform, transformedWeights } from './transform.js';

/** A branch, and what GPTQ needs of what it leaves: undefined where nothing is rounded by it. */
export interface SiteBranch {
  readonly fitted: FittedBranch;
  readonly feedback: Feedback | undefined;
}

/** Of each linear: the rank is that of the first. */
export type BranchSettings = Pick<LinearSettings, 'weights' | 'lowRank'>;

/**
 * Rank 'auto': the share of the bytes of a site's linears that a branch may take; how many
 * directions a site has whose outputs have an SQNR of `dB` without a branch, and one more for every
 * decibel less; its most. Directions are worth most where most is lost, but not much more: on a
 * trained DiT, of slopes from 0 to 3 a decibel at the same bytes 1 and 2 gave most, 0.3 dB of the
 * velocity over the same rank everywhere, and prices by widths gave nothing.
 */
const AUTO = { share: 0.18, rank: 16, dB: 32, most: 32 } as const;

/**
 * How many directions the linears of a site have: where that is open, more where more is lost, as
 * far as their budget has room, V and R in 8 bits.
 *
 * @param widths Outputs of each.
 * @param sqnr Of their outputs without a branch, dB; null where it is not known. Asked for where
 * the rank is open.
 */
export function branchRank(
  settings: readonly BranchSettings[],
  d: number,
  widths: readonly number[],
  sqnr: () => number | null,
): number {
  const [{ lowRank }] = settings as [BranchSettings];
  if (lowRank !== 'auto') return Math.min(lowRank, d);
  const room = Math.min(roomFor(settings, d, widths), AUTO.most, d);
  if (room <= 0) return 0;
  const lost = AUTO.dB - comparable(sqnr() ?? AUTO.dB);
  return Math.max(Math.min(Math.round(AUTO.rank + lost), room), 0);
}

/** Directions that the budget of a site's linears has room for. */
function roomFor(
  settings: readonly BranchSettings[],
  d: number,
  widths: readonly number[],
): number {
  const bytes = settings.map(({ weights: { format } }, i) =>
    format.kind === 'float32' ? 0 : bytesOf(format, [d, widths[i]!], FLOAT16),
  );
  const budget = AUTO.share * bytes.reduce((sum, size) => sum + size, 0);
  // a row of R has a scale, and the first two rows are there twice
  const rowBytes = widths.reduce((sum, n) => sum + n + 4, 0);
  return Math.floor((budget - 2 * rowBytes) / (d + rowBytes));
}

/**
 * Fits a branch to the linears of a site, whose transform has none yet.
 *
 * @param matrices Their weights, [d, n] each.
 */
export function fitSiteBranch(
  t: Transform,
  { kind, rank }: WayBranch,
  settings: readonly BranchSettings[],
  stats: SiteStats | null,
  matrices: readonly Float32Array[],
): SiteBranch {
  const { d } = t;
  const moments = stats === null ? null : momentsFor(t, stats);
  const options = settings.map(({ weights }) => weights);
  const gptq = options.some(wantsGptq);
  const transformed = matrices.map((w) => transformedWeights(t, w, w.length / d));
  const factored = (beside: FittedBranch, h: Float64Array | null) =>
    h === null || !gptq ? undefined : feedbackOf(withoutBranch(h, d, beside), d);
  const rounded = (beside: FittedBranch) => {
    const feedback = factored(beside, moments?.slice() ?? null);
    return transformed.map((w, i) => {
      const target = roundedTarget(beside.branch, w, d);
      return roundedWeights(target, d, options[i]!, wantsGptq(options[i]!) ? feedback : undefined);
    });
  };
  const fitted = fitBranch(kind, rank, { d, h: moments, weights: transformed, rounded });
  return { fitted, feedback: factored(fitted, moments) };
}

/** What GPTQ needs beside a branch that is fitted already; null where there is no Hessian. */
export function feedbackBeside(
  t: Transform,
  stats: SiteStats,
  fitted: FittedBranch,
): Feedback | null {
  const moments = momentsFor({ ...t, branch: null }, stats);
  return moments === null ? null : feedbackOf(withoutBranch(moments, t.d, fitted), t.d);
}
