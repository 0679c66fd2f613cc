import type { CalibrationStats } from '../calibrate/stats.js';
import { maskText } from '../recognize/tokenMask.js';
import type { ChosenMasks } from '../recognize/tokenMaskOption.js';
import type { Done } from './done.js';
import { count } from './nothingToQuantize.js';

/** What there is to say about which tokens count. */
export function maskNotes(
  { masks, notes, unmatched }: ChosenMasks,
  done: readonly Done[],
  stats: CalibrationStats | undefined,
): string[] {
  const centered = done.some(({ parts, settings }) => {
    return settings.treatment === 'transform' && parts.center === 'dynamic';
  });
  const sites = new Set(done.map(({ site }) => site));
  const otherwise = [...sites].filter((key) => {
    const known = stats?.sites.get(key);
    const mask = masks.get(key);
    const now = mask === undefined ? null : maskText(mask);
    return known !== undefined && (known.mask ?? null) !== now;
  });
  const made = `the statistics of ${count(otherwise.length, 'site')} were made with other tokens`;
  return [
    ...unmatched,
    ...(centered ? notes : []),
    ...(otherwise.length === 0 ? [] : [`${made} counting (tokenMask): calibrate again`]),
  ];
}
