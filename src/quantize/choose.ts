import { comparable } from '../math/decibels.js';
import { type Way, wayKey } from './candidates.js';
import type { MeasuredWay } from './measured.js';
import { METHODS } from './methods.js';
import type { Trials } from './trials.js';

/** Within this many dB of the best, what is cheaper at run time is taken. */
const TIE_DB = 0.05;

/** What is further behind on a sample of the output channels is not measured on all of them. */
const CLOSE_DB = 1;

/** What ways measure: `Trials`. */
export type Judge = Pick<Trials, 'sampled' | 'whole' | 'isBehind' | 'drop'>;

/** How a site's linears are treated, and what that was chosen from. */
export interface Choice {
  readonly way: Way;
  /** Empty where there was one way only. */
  readonly looked: readonly Look[];
}

/** A way that was measured. */
export interface Look {
  readonly way: Way;
  /** SQNR of the site's outputs, dB. */
  readonly output: number;
  /** Whether on a sample of the output channels alone. */
  readonly isSampled: boolean;
}

/**
 * Chooses between ways to treat a site, given from the cheapest at run time to the dearest: the
 * least error of its linears' outputs wins, of equals the cheapest. What a sample of the output
 * channels tells apart is not measured on all of them.
 *
 * @param pinned Keys of ways whose transforms are needed later.
 * @param before What was measured of others, that these are to stand beside.
 */
export function chooseWay(
  trials: Judge,
  ways: readonly Way[],
  pinned: ReadonlySet<string>,
  before: readonly Look[] = [],
): Choice {
  if (ways.length === 1) {
    const [way] = ways as [Way];
    const own = before.length === 0 ? [] : [sampledLook(trials, way)];
    return { way, looked: [...before, ...own] };
  }
  const drop = (way: Way) => trials.drop(way, { transform: !pinned.has(wayKey(way)) });
  const sampled: Look[] = [];
  for (const way of ways) {
    sampled.push(sampledLook(trials, way));
    for (const look of behind(trials, sampled)) drop(look.way);
  }
  const { way, looked } = best(trials, sampled);
  for (const other of looked) if (other.way !== way && !other.isSampled) drop(other.way);
  return { way, looked: [...before, ...looked] };
}

/** As `chooseWay`, between what methods chose for themselves. */
export function chooseMethod(trials: Judge, choices: readonly Choice[]): Choice {
  const sampled = choices.map(({ way }) => sampledLook(trials, way));
  const { way, looked } = best(trials, sampled);
  for (const other of sampled) {
    if (wayKey(other.way) !== wayKey(way)) trials.drop(other.way, { transform: false });
  }
  const all = choices.flatMap((choice, i) =>
    choice.looked.length === 0 ? [looked[i]!] : choice.looked,
  );
  return { way, looked: all };
}

/**
 * What the report says of them: what a sample of the channels says less than all of them, by the
 * way that was chosen, is told of each other as well.
 */
export function measuredWays(trials: Judge, { way, looked }: Choice): MeasuredWay[] {
  if (looked.length === 0) return [];
  const whole = trials.whole(way);
  const shift = finite(whole - trials.sampled(way));
  return looked.map((look) => {
    const known = look.isSampled ? look.output + shift : look.output;
    return measuredWay(look.way, wayKey(look.way) === wayKey(way) ? whole : known);
  });
}

function sampledLook(trials: Judge, way: Way): Look {
  return { way, output: trials.sampled(way), isSampled: true };
}

/** What is known not to be chosen. */
function behind(trials: Judge, sampled: readonly Look[]): Look[] {
  const first = leading(sampled);
  return sampled.filter(
    (look) =>
      look !== first &&
      (comparable(look.output) < comparable(first.output) - CLOSE_DB ||
        trials.isBehind(look.way, first.way, TIE_DB)),
  );
}

/** The best of ways of which a sample is known, measured on all channels where that is needed. */
function best(trials: Judge, sampled: readonly Look[]): Choice {
  const lost = new Set(behind(trials, sampled));
  const first = leading(sampled);
  if (lost.size === sampled.length - 1) return { way: first.way, looked: sampled };
  const looked = sampled.map((look) =>
    lost.has(look) ? look : { ...look, output: trials.whole(look.way), isSampled: false },
  );
  const shift = finite(looked[sampled.indexOf(first)]!.output - first.output);
  const outputs = looked.map(({ output, isSampled }) => (isSampled ? output + shift : output));
  return { way: looked[cheapest(looked, outputs)]!.way, looked };
}

function leading(sampled: readonly Look[]): Look {
  const known = sampled.map(({ output }) => comparable(output));
  return sampled[known.indexOf(Math.max(...known))]!;
}

function finite(shift: number): number {
  return Number.isFinite(shift) ? shift : 0;
}

/**
 * Which is taken: the first of those measured on all channels that is as good as the best to within
 * `TIE_DB`, and no worse than QuaRot where that is among them, whatever is cheaper. NaN is never as
 * good as a number.
 */
function cheapest(looked: readonly Look[], measured: readonly number[]): number {
  const outputs = measured.map(comparable);
  const quarot = looked.findIndex(
    ({ way: { parts, branch } }) => wayKey({ parts, branch }) === quarotKey(branch),
  );
  const bar = outputs[quarot] ?? Number.NEGATIVE_INFINITY;
  const most = Math.max(...outputs.filter((_, i) => !looked[i]!.isSampled));
  const enough = Math.max(most - TIE_DB, Math.min(bar, most));
  return outputs.findIndex((output, i) => !looked[i]!.isSampled && output >= enough);
}

/** QuaRot beside the same branch. */
function quarotKey(branch: Way['branch']): string {
  return wayKey({ parts: { ...METHODS.hadamard, center: 'none', rotate: true }, branch });
}

function measuredWay({ method, parts, branch }: Way, output: number): MeasuredWay {
  const { center, scale, rotate } = parts;
  return {
    method,
    center,
    scale,
    rotate,
    ...(branch === null ? {} : { branch: branch.kind }),
    output,
  };
}
