/** Runs in the page, after the suites were defined: tells the driver what mocha finds. */
import type { PageEvent } from './run.js';

declare global {
  // what run.ts exposes to the page
  function tellDriver(event: PageEvent): Promise<void>;
}

export function runInPage(): void {
  const runner = mocha.run();
  const suiteOf = (test: Mocha.Runnable) => test.titlePath()[0] ?? '';
  runner.on('pass', (test) => void tellDriver({ kind: 'passed', suite: suiteOf(test) }));
  runner.on(
    'pending',
    (test) => void tellDriver({ kind: 'skipped', suite: suiteOf(test), text: test.fullTitle() }),
  );
  runner.on('fail', (test, error) => {
    const text = `${test.fullTitle()}\n${error.stack ?? error.message}`;
    void tellDriver({ kind: 'failed', suite: suiteOf(test), text });
  });
  runner.on('end', () => void tellDriver({ kind: 'end' }));
}
