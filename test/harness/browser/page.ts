/** Runs in the page, after the suites were defined: tells the driver what mocha finds. */
import type { PageEvent } from './pageEvent.js';

declare global {
  // what run.ts exposes to the page
  function tellDriver(event: PageEvent): Promise<void>;
}

/** How many of the slowest tests are named. */
const SLOWEST = 6;

export function runInPage(): void {
  const query = new URLSearchParams(location.search);
  // what is of no backend, or of others, has run in the page of the others
  const blocks = query.get('blocks');
  if (blocks !== null) keepBlocksOf(blocks, query.get('part') ?? '0/1');
  const passed: Mocha.Runnable[] = [];
  const runner = mocha.run();
  const suiteOf = (test: Mocha.Runnable) => test.titlePath()[0] ?? '';
  runner.on('pass', (test) => {
    passed.push(test);
    void tellDriver({ kind: 'passed', suite: suiteOf(test) });
  });
  runner.on(
    'pending',
    (test) => void tellDriver({ kind: 'skipped', suite: suiteOf(test), text: test.fullTitle() }),
  );
  runner.on('fail', (test, error) => {
    const text = `${test.fullTitle()}\n${error.stack ?? error.message}`;
    void tellDriver({ kind: 'failed', suite: suiteOf(test), text });
  });
  runner.on('end', () => void tellDriver({ kind: 'end', slowest: slowestOf(passed) }));
}

/**
 * Leaves the blocks of a backend and those about the page itself alone, and of these the part
 * 'i/n', by where their tests begin among all tests.
 */
function keepBlocksOf(backend: string, part: string): void {
  const [i, n] = part.split('/').map(Number) as [number, number];
  const isIts = ({ title }: Mocha.Suite) =>
    title.endsWith(` on ${backend}`) || title === 'This page';
  keepBlocks(mocha.suite, isIts);
  const total = mocha.suite.total();
  let before = 0;
  keepBlocks(mocha.suite, (block) => {
    if (!isIts(block)) return false;
    const of = Math.floor((before / total) * n);
    before += block.total();
    return of === i;
  });
}

/** Leaves out the other blocks, and the tests that stand in none of these. */
function keepBlocks(suite: Mocha.Suite, kept: (block: Mocha.Suite) => boolean): void {
  suite.tests = [];
  suite.suites = suite.suites.filter((block) => {
    if (kept(block)) return true;
    keepBlocks(block, kept);
    return block.total() > 0;
  });
}

/** Where the time goes: tests alone, without their hooks. */
function slowestOf(tests: readonly Mocha.Runnable[]): string[] {
  const seconds = (test: Mocha.Runnable) => (test.duration ?? 0) / 1000;
  const sorted = tests.toSorted((a, b) => seconds(b) - seconds(a)).slice(0, SLOWEST);
  return sorted.map((test) => `${seconds(test).toFixed(1)} s  ${test.fullTitle()}`);
}
