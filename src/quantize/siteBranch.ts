import { bytesOf, FLOAT16 } from '../../ops/numerics/formats.js';
import type { SiteStats } from '../calibrate/siteStats.js';
import {
  type BranchKind,
  type FittedBranch,
  fitBranch,
  roundedTarget,
  withoutBranch,
} from './branch.js';
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

/** Share of the bytes of a site's linears that a branch of rank 'auto' may take, and its most. */
const AUTO_SHARE = 0.18;
const AUTO_MOST = 16;

/**
 * How many directions the linears of a site have: where that is open, as many as their budget has
 * room for, V and R in 8 bits.
 *
 * @param widths Outputs of each.
 */
export function branchRank(
  settings: readonly BranchSettings[],
  d: number,
  widths: readonly number[],
): number {
  const [{ lowRank }] = settings as [BranchSettings];
  if (lowRank !== 'auto') return Math.min(lowRank, d);
  const bytes = settings.map(({ weights: { format } }, i) =>
    format.kind === 'float32' ? 0 : bytesOf(format, [d, widths[i]!], FLOAT16),
  );
  const budget = AUTO_SHARE * bytes.reduce((sum, size) => sum + size, 0);
  // a row of R has a scale, and the first two rows are there twice
  const rowBytes = widths.reduce((sum, n) => sum + n + 4, 0);
  const rank = Math.floor((budget - 2 * rowBytes) / (d + rowBytes));
  return Math.max(Math.min(rank, AUTO_MOST, d), 0);
}

/**
 * Fits a branch to the linears of a site, whose transform has none yet.
 *
 * @param matrices Their weights, [d, n] each.
 */
export function fitSiteBranch(
  t: Transform,
  kind: BranchKind,
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
  const rank = branchRank(
    settings,
    d,
    matrices.map((w) => w.length / d),
  );
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
