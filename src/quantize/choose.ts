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
export type Judge = Pick<Trials, 'sampled' | 'whole' | 'drop'>;

/** How a site's linears are treated, and what that was chosen from. */
export interface Choice {
  readonly way: Way;
  /** Empty where there was one way only. */
  readonly measured: readonly MeasuredWay[];
}

/**
 * Chooses between ways to treat a site, given from the cheapest at run time to the dearest: the
 * least error of its linears' outputs wins, of equals the cheapest.
 *
 * @param pinned Keys of ways whose transforms are needed later.
 * @param before What was measured of others, that these are to stand beside.
 */
export function chooseWay(
  trials: Judge,
  ways: readonly Way[],
  pinned: ReadonlySet<string>,
  before: readonly MeasuredWay[] = [],
): Choice {
  if (ways.length === 1) {
    const [way] = ways as [Way];
    const own = before.length === 0 ? [] : [measuredWay(way, trials.whole(way))];
    return { way, measured: [...before, ...own] };
  }
  const drop = (way: Way) => trials.drop(way, { transform: !pinned.has(wayKey(way)) });
  const sampled: number[] = [];
  const isClose = (i: number) => {
    const best = Math.max(...sampled.map(comparable));
    return comparable(sampled[i]!) >= best - CLOSE_DB;
  };
  for (const way of ways) {
    sampled.push(trials.sampled(way));
    sampled.forEach((_, i) => {
      if (!isClose(i)) drop(ways[i]!);
    });
  }
  const outputs = ways.map((way, i) => (isClose(i) ? trials.whole(way) : sampled[i]!));
  const shift = shiftOf(sampled, outputs);
  const measured = ways.map((way, i) =>
    measuredWay(way, isClose(i) ? outputs[i]! : outputs[i]! + shift),
  );
  const way = ways[cheapest(ways, measured)]!;
  ways.forEach((other, i) => {
    if (other !== way && isClose(i)) drop(other);
  });
  return { way, measured: [...before, ...measured] };
}

/** As `chooseWay`, between what methods chose for themselves. */
export function chooseMethod(trials: Judge, choices: readonly Choice[]): Choice {
  const ways = choices.map(({ way }) => way);
  const own = ways.map((way) => measuredWay(way, trials.whole(way)));
  const way = ways[cheapest(ways, own)]!;
  for (const other of ways) {
    if (wayKey(other) !== wayKey(way)) trials.drop(other, { transform: false });
  }
  const measured = choices.flatMap((choice, i) =>
    choice.measured.length === 0 ? [own[i]!] : choice.measured,
  );
  return { way, measured };
}

/**
 * What a sample of the channels says less than all of them, by the way that is best on the sample:
 * the others are told by the same measure.
 */
function shiftOf(sampled: readonly number[], outputs: readonly number[]): number {
  const known = sampled.map(comparable);
  const best = known.indexOf(Math.max(...known));
  const shift = outputs[best]! - sampled[best]!;
  return Number.isFinite(shift) ? shift : 0;
}

/**
 * Which is taken: the first that is as good as the best to within `TIE_DB`, and no worse than
 * QuaRot where that is among them, whatever is cheaper. NaN is never as good as a number.
 */
function cheapest(ways: readonly Way[], measured: readonly MeasuredWay[]): number {
  const outputs = measured.map(({ output }) => comparable(output));
  const quarot = ways.findIndex(
    ({ parts, branch }) => wayKey({ parts, branch }) === quarotKey(branch),
  );
  const bar = outputs[quarot] ?? Number.NEGATIVE_INFINITY;
  const enough = Math.max(Math.max(...outputs) - TIE_DB, bar);
  return outputs.findIndex((output) => output >= enough);
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
