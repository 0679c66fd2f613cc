import { HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import type { Moments, SiteStats } from '../calibrate/siteStats.js';
import type { CalibrationStats } from '../calibrate/stats.js';
import { METHODS } from './methods.js';
import type { Task } from './plan.js';
import type { LinearSettings } from './settings.js';

const OTHER_MODEL = 'They are of another model: calibrate this one.';

/**
 * What calibration knows of a linear's site, or null.
 * @throws HadaNormError for statistics of no batches, of another model, or with NaN or Inf in them.
 */
export function statsFor(
  op: string,
  { stats }: { readonly stats?: CalibrationStats },
  task: Task,
): SiteStats | null {
  if (stats === undefined) return null;
  if (stats.batches === 0) {
    const wayOut = 'An iterable that was used up gives none: pass calibrate new batches.';
    throw new InvalidArgumentError(op, 'stats', 'of one batch at least', 'those of none', wayOut);
  }
  const { settings, placed } = task;
  const { key, linear, site, role } = placed;
  const found = stats.sites.get(key);
  const quoted = JSON.stringify(key);
  if (found !== undefined && found.d !== site.d) {
    const known = `the statistics know ${quoted} with ${found.d} channels`;
    throw new HadaNormError(op, `${known}, the model has ${site.d}. ${OTHER_MODEL}`);
  }
  if (found !== undefined) {
    checkFinite(op, quoted, found.total);
    // weights alone are quantized as they are, measured or not
    if (found.total.tokens === 0 && settings.treatment !== 'transform') return null;
    checkCounted(op, quoted, found);
    return found;
  }
  if (settings.treatment !== 'transform') return null;
  if (role !== 'other') {
    const reader = JSON.stringify(linear.name);
    const problem = `the statistics know nothing of ${quoted}, which ${reader} reads.`;
    throw new HadaNormError(op, `${problem} ${OTHER_MODEL}`);
  }
  if (needsStats(settings)) {
    const wayOut = "Give it a rule with method 'hadamard' or 'rtn', or treatment 'weightOnly'.";
    const name = JSON.stringify(linear.name);
    const why = "which has the role 'other' and is not calibrated";
    const wanted = `one without statistics for ${name}, ${why}`;
    throw new InvalidArgumentError(op, 'method', wanted, `'${settings.method}'`, wayOut);
  }
  return null;
}

function needsStats({ method, parts, activations }: LinearSettings): boolean {
  if (method === 'auto') return true;
  const { scale, center, meanRank } = { ...METHODS[method], ...parts };
  const isStatic =
    center === 'static' ||
    (activations.format.kind !== 'float32' && activations.range === 'static');
  return (
    scale !== 'none' || isStatic || ((center === 'dynamic' || center === 'auto') && meanRank !== 0)
  );
}

function checkCounted(op: string, site: string, { total, mask }: SiteStats): void {
  if (total.tokens > 0 || mask == null) return;
  const problem = `the statistics of ${site} are of no token, for ${mask} held for none`;
  const wayOut = 'Calibrate on inputs that are not padding alone, or set tokenMask: false.';
  throw new HadaNormError(op, `${problem}. ${wayOut}`);
}

function checkFinite(op: string, site: string, { sum, within, absMax }: Moments): void {
  if ([sum, within, absMax].every((values) => values.every(Number.isFinite))) return;
  const problem = `the statistics of ${site} hold NaN or Infinity`;
  const cause = 'the model gave them when it was calibrated';
  throw new HadaNormError(op, `${problem}: ${cause}. Calibrate it on inputs that it can take.`);
}
