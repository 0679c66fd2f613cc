import Table from 'cli-table3';
import { supportMatrix } from '../../../src/index.js';

/** How many tests of a kind there were. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** The counts of a run, and of each of its outermost describe blocks ("FakeQuant on wasm"). */
export interface Tally extends Counts {
  suites: Record<string, Counts>;
}

/** A tally of nothing yet. */
export function emptyTally(): Tally {
  return { passed: 0, failed: 0, skipped: 0, suites: {} };
}

/** Counts one test, or `times` of them. */
export function count(tally: Tally, suite: string, result: keyof Counts, times = 1): void {
  tally.suites[suite] ??= { passed: 0, failed: 0, skipped: 0 };
  tally.suites[suite][result] += times;
  tally[result] += times;
}

/** Adds what `more` counted to `tally`. */
export function addTally(tally: Tally, more: Tally): void {
  for (const [suite, counts] of Object.entries(more.suites)) {
    for (const result of ['passed', 'failed', 'skipped'] as const) {
      count(tally, suite, result, counts[result]);
    }
  }
}

/** The support matrix: op × backend, the kind of kernel and what passed on this machine. */
export function matrixOf(tally: Tally): string {
  const rows = supportMatrix();
  const backends = Object.keys(rows[0]?.backends ?? {});
  const table = new Table({ head: ['op', ...backends], style: { head: [], border: [] } });
  for (const { op, backends: kinds } of rows) {
    const cell = (name: string) => `${kinds[name]}\n${outcome(tally.suites[`${op} on ${name}`])}`;
    table.push([op, ...backends.map(cell)]);
  }
  return `Support matrix: kind of kernel, and tests passed here\n${table}`;
}

function outcome(counts: Counts | undefined): string {
  if (counts === undefined) return 'not run';
  const run = counts.passed + counts.failed;
  return run === 0 ? 'SKIPPED' : `${counts.passed} of ${run}`;
}
