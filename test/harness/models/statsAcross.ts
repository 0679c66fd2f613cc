import type { CalibrationStats, Moments, SiteStats } from '../../../src/index.js';

/**
 * How far statistics of one backend are from another's, relative to the RMS of each site: moments
 * per token, the Hessian per token and by the square of the RMS, kept samples. Infinite where the
 * sites, the counts or what was kept are not the same.
 */
export function sitesFurthest(a: CalibrationStats, b: CalibrationStats): number {
  if (`${[...a.sites.keys()]}` !== `${[...b.sites.keys()]}`) return Number.POSITIVE_INFINITY;
  return Math.max(...[...b.sites].map(([key, site]) => siteFurthest(a.sites.get(key)!, site)));
}

function siteFurthest(a: SiteStats, b: SiteStats): number {
  const chosen = ({ total, kept }: SiteStats) =>
    JSON.stringify([
      [total.samples, total.tokens],
      kept.map(({ hash, timestep, tokens, rows }) => [hash, timestep, tokens, rows.length]),
    ]);
  if (chosen(a) !== chosen(b)) return Number.POSITIVE_INFINITY;
  const { tokens } = b.total;
  const rms = rmsOf(b.total, b.d);
  const off = (x: ArrayLike<number>, y: ArrayLike<number>, unit: number) =>
    Array.from(y).reduce((most, v, i) => Math.max(most, Math.abs(v - x[i]!) / unit), 0);
  const squares = tokens * rms ** 2;
  return Math.max(
    off(a.total.sum, b.total.sum, tokens * rms),
    off(a.total.within, b.total.within, squares),
    off(a.total.between, b.total.between, squares),
    off(a.total.absMax, b.total.absMax, rms),
    b.scatter === null ? 0 : off(a.scatter!, b.scatter, squares),
    ...b.kept.flatMap(({ mean, rows }, i) => [
      off(a.kept[i]!.mean, mean, rms),
      off(a.kept[i]!.rows, rows, rms),
    ]),
  );
}

/** Of all channels and tokens. */
function rmsOf({ within, between, tokens }: Moments, d: number): number {
  const sum = within.reduce((s, v, c) => s + v + between[c]!, 0);
  return Math.sqrt(sum / (tokens * d));
}
