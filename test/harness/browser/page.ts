/** Runs in the page, after the suites were defined: tells the driver what mocha finds. */
import type { PageEvent } from './run.js';

declare global {
  // what run.ts exposes to the page
  function tellDriver(event: PageEvent): Promise<void>;
}

/** How many of the slowest tests are named. */
const SLOWEST = 6;

export function runInPage(): void {
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

/** Where the time goes: tests alone, without their hooks. */
function slowestOf(tests: readonly Mocha.Runnable[]): string[] {
  const seconds = (test: Mocha.Runnable) => (test.duration ?? 0) / 1000;
  const sorted = tests.toSorted((a, b) => seconds(b) - seconds(a)).slice(0, SLOWEST);
  return sorted.map((test) => `${seconds(test).toFixed(1)} s  ${test.fullTitle()}`);
}
