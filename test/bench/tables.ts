import type { TextTable } from '../../src/cli/textTable.js';
import { groupBy } from '../../src/math/groups.js';
import type { BenchRow } from './harness.js';

/** The rows of one suite. */
export interface BenchTable extends TextTable {
  readonly suite: string;
  readonly texts: number;
}

/**
 * A table for each suite: with a column for each peer where cases have several, else with a column
 * for its name.
 */
export function tablesOf(rows: readonly BenchRow[]): BenchTable[] {
  return [...groupBy(rows, ({ suite }) => suite)].map(([suite, own]) => {
    const contests = groupBy(own, ({ case: name, ours }) => `${name}\n${ours}`);
    const several = [...contests.values()].some(({ length }) => length > 1);
    return several ? wideTable(suite, [...contests.values()]) : longTable(suite, own);
  });
}

function wideTable(suite: string, contests: readonly (readonly BenchRow[])[]): BenchTable {
  const peers = [...new Set(contests.flat().map(({ peer }) => peer))];
  const rows = contests.map((contest) => {
    const [first] = contest as [BenchRow];
    const ratios = peers.map((peer) => {
      const row = contest.find((one) => one.peer === peer);
      return row === undefined ? '' : ratioOf(row);
    });
    return [first.case, first.ours, digits(first.oursMs), ...ratios];
  });
  return {
    suite,
    head: ['case', 'ours', 'ms', ...peers.map((peer) => `× ${peer}`)],
    rows,
    texts: 2,
  };
}

function longTable(suite: string, rows: readonly BenchRow[]): BenchTable {
  const cells = rows.map((row) => {
    const { case: name, ours, peer, oursMs, peerMs } = row;
    return [name, ours, peer, digits(oursMs), digits(peerMs), ratioOf(row)];
  });
  const head = ['case', 'ours', 'peer', 'ours ms', 'peer ms', 'times faster'];
  return { suite, head, rows: cells, texts: 3 };
}

/**
 * Times faster than the peer; with the least that is asked for, where that is, and whether it is
 * reached.
 */
function ratioOf({ ratio, bar }: BenchRow): string {
  if (bar === undefined) return digits(ratio);
  return `${digits(ratio)} (≥ ${Number(bar.toPrecision(2))} ${ratio >= bar ? '✓' : '✗'})`;
}

function digits(value: number): string {
  return `${Number(value.toPrecision(3))}`;
}
