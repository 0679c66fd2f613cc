import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';
import { type Counts, count, emptyTally, matrixOf } from './tally.js';

/** How many of the slowest tests are named. */
const SLOWEST = 8;

/**
 * Mocha's dots, then what was skipped and why, and which tests took longest. The tally goes to the
 * file that MOCHA_TALLY names, for a matrix over several runs; without it, the support matrix of
 * this run is printed.
 */
export default class SuiteReporter extends Mocha.reporters.Dot {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const tally = emptyTally();
    const skipped = new Map<string, string[]>(); // by reason
    const tests: Mocha.Runnable[] = [];
    const take = (test: Mocha.Runnable, result: keyof Counts) =>
      count(tally, test.titlePath()[0] ?? '', result);
    runner.on('pass', (test) => {
      take(test, 'passed');
      tests.push(test);
    });
    runner.on('fail', (test) => take(test, 'failed'));
    runner.on('pending', (test) => {
      take(test, 'skipped');
      const reason = test.title;
      skipped.set(reason, [...(skipped.get(reason) ?? []), test.titlePath()[0] ?? '']);
    });
    runner.once('end', () => {
      for (const [reason, suites] of skipped) console.log(`${reason}\n  (${suites.join(', ')})`);
      console.log(slowest(tests));
      const file = process.env.MOCHA_TALLY;
      if (file === undefined) console.log(matrixOf(tally));
      else writeFileSync(file, JSON.stringify(tally));
    });
  }
}

/** Where the time goes: tests alone, without their hooks. */
function slowest(tests: readonly Mocha.Runnable[]): string {
  const seconds = (test: Mocha.Runnable) => (test.duration ?? 0) / 1000;
  const sorted = tests.toSorted((a, b) => seconds(b) - seconds(a)).slice(0, SLOWEST);
  const lines = sorted.map((test) => `  ${seconds(test).toFixed(1)} s  ${test.fullTitle()}`);
  return ['Slowest:', ...lines].join('\n');
}
