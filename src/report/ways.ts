import { comparable } from '../math/decibels.js';
import type { MeasuredWay } from '../quantize/measured.js';
import { METHOD_NAMES } from './format.js';
import type { LinearReport } from './report.js';
import { treatmentName } from './treatment.js';

/** A way among those that a linear was measured in: HadaNorm's by its parts, else the method. */
export function wayName(way: MeasuredWay): string {
  return way.method === 'hadanorm' ? treatmentName(way) : METHOD_NAMES[way.method];
}

/** Whether a way is the one that a linear was quantized in. */
export function isChosen(way: MeasuredWay, { method, parts }: LinearReport): boolean {
  return (
    way.method === method &&
    way.center === parts?.center &&
    way.scale === parts.scale &&
    way.rotate === parts.rotate &&
    way.branch === parts.branch
  );
}

/**
 * The best of the ways that center and of those that do not, dB of the site's output; null where
 * there are not both.
 */
export function byCentering({
  ways = [],
}: LinearReport): { readonly centered: number; readonly plain: number } | null {
  const best = (some: readonly MeasuredWay[]) =>
    some.reduce((max, { output }) => Math.max(max, comparable(output)), Number.NEGATIVE_INFINITY);
  const centered = ways.filter(({ center }) => center !== 'none');
  if (centered.length === 0 || centered.length === ways.length) return null;
  return { centered: best(centered), plain: best(ways.filter(({ center }) => center === 'none')) };
}
