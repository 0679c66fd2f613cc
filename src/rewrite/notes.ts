import { groupBy } from '../math/groups.js';
import type { PlacedLinear } from '../recognize/analysis.js';
import { fits } from '../recognize/fits.js';
import type { Done } from './done.js';
import { optionsWithoutEffect } from './effects.js';
import { writtenRules } from './impliedRules.js';
import { count } from './nothingToQuantize.js';
import type { RewriteOptions, Rule } from './options.js';

/** What a rewrite did not do though one could think so, in words. */
export function notesOf(
  linears: readonly PlacedLinear[],
  done: readonly Done[],
  already: number,
  options: RewriteOptions,
): string[] {
  return [
    ...(done.length === 0 ? nothingDone(linears) : []),
    ...(already > 0 ? [`${count(already, 'linear')} quantized already: left as they were`] : []),
    ...rulesWithoutMatch(linears, options),
    ...optionsWithoutEffect(done, options),
    ...sequentially(done, options),
    ...rotationsLeftOut(done),
    ...ofWeights(done),
    ...notCentered(done),
    ...notANumber(done),
  ];
}

function nothingDone(linears: readonly PlacedLinear[]): string[] {
  const all = count(linears.length, 'linear');
  return [`nothing was quantized: the options leave all of ${all} alone`];
}

function rulesWithoutMatch(linears: readonly PlacedLinear[], { rules }: RewriteOptions): string[] {
  return writtenRules(rules).flatMap(({ rule }, i) => {
    const matched = linears.some(({ linear, role }) => fits(rule, linear.name, role));
    if (matched) return [];
    return [`rules[${i}] (${criteria(rule)}) matches no linear; describeGraph lists what there is`];
  });
}

function criteria({ role, match }: Rule): string {
  const shown = match instanceof RegExp ? `${match}` : JSON.stringify(match);
  const parts = [
    ...(role === undefined ? [] : [`role '${role}'`]),
    ...(match === undefined ? [] : [`match ${shown}`]),
  ];
  return parts.join(', ') || 'for all';
}

/** Figures of such statistics are no others' beside them. */
function sequentially(done: readonly Done[], { stats }: RewriteOptions): string[] {
  const sites = done.filter(({ site }) => stats?.sites.get(site)?.original !== undefined);
  if (sites.length === 0) return [];
  const fitted = done.flatMap(({ refit }) => refit ?? []);
  const refit = `${fitted.filter((one) => one).length} of ${count(fitted.length, 'linear')} refit`;
  const what = "output SQNR is to the original's outputs, with what the linears before lose";
  return [`calibrated sequentially: ${what}; ${refit} to that`];
}

function rotationsLeftOut(done: readonly Done[]): string[] {
  const left = done.flatMap(({ leftOut }) => leftOut ?? []);
  return [...groupBy(left, ({ why }) => why)].map(([why, some]) => {
    const plain = some.filter(({ rotation }) => rotation).length;
    const methods = [...new Set(some.flatMap((one) => one.methods))];
    const parts = [
      ...(plain === 0 ? [] : [`${count(plain, 'linear')} not rotated`]),
      ...methods.map((method) => {
        const without = some.filter((one) => one.methods.includes(method)).length;
        return `${method} not measured for ${count(without, 'linear')}, which its means leave out`;
      }),
    ];
    return `${why}: ${parts.join('; ')}`;
  });
}

/** Other directions of a branch want a Hessian. */
function ofWeights(done: readonly Done[]): string[] {
  const beside = done.filter(({ branch }) => branch !== null);
  const fallen = beside.filter(
    ({ branch, settings }) => branch === 'weights' && settings.branch !== 'weights',
  );
  if (fallen.length === 0) return [];
  const which = `${fallen.length} of ${count(beside.length, 'linear')} with a branch`;
  const wayOut = 'calibrate with hessian: true for others';
  return [`${which} have the directions of the weights, for there is no Hessian: ${wayOut}`];
}

/** HadaNorm centers, one could think. */
function notCentered(done: readonly Done[]): string[] {
  const open = done.filter(({ settings, measured: { ways = [] } }) => {
    return settings.method !== 'auto' && new Set(ways.map(({ center }) => center)).size > 1;
  });
  const plain = open.filter(({ parts }) => parts.center === 'none').length;
  if (plain === 0) return [];
  const which = `${plain} of ${count(open.length, 'linear')} not centered`;
  return [`${which}: that measured no worse here; center: 'dynamic' centers them all the same`];
}

function notANumber(done: readonly Done[]): string[] {
  return done.flatMap(({ name, measured }) => {
    const methods = Object.entries(measured.compared);
    const poisoned = methods.filter(([, { output }]) => Number.isNaN(output));
    return poisoned.map(([method]) => `${method} gives NaN for ${JSON.stringify(name)}`);
  });
}
