import { writeFileSync } from 'node:fs';
import Table from 'cli-table3';
import Mocha from 'mocha';
import { supportMatrix } from '../../src/index.js';
import { backends } from './backends.js';

interface Tally {
  passed: number;
  failed: number;
}

/**
 * Mocha's dots, then what was skipped and why, then the support matrix: op × backend with what ran. Writes the counts to
 * the file that MOCHA_COUNTS names.
 */
export default class SuiteReporter extends Mocha.reporters.Dot {
  private readonly tallies = new Map<string, Tally>();
  private readonly skipped: string[] = [];

  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    runner.on('pass', (test) => this.count(test, 'passed'));
    runner.on('fail', (test) => this.count(test, 'failed'));
    runner.on('pending', (test) => this.skipped.push(test.fullTitle()));
    runner.once('end', () => this.finish(runner));
  }

  private count(test: Mocha.Runnable, result: keyof Tally): void {
    const suite = test.titlePath()[0] ?? '';
    const tally = this.tallies.get(suite) ?? { passed: 0, failed: 0 };
    tally[result]++;
    this.tallies.set(suite, tally);
  }

  private finish(runner: Mocha.Runner): void {
    for (const title of this.skipped) console.log(title);
    console.log(this.matrix());
    const { passes: passed = 0, failures: failed = 0, pending: skipped = 0 } = runner.stats ?? {};
    const file = process.env.MOCHA_COUNTS;
    if (file !== undefined) writeFileSync(file, JSON.stringify({ passed, failed, skipped }));
  }

  private matrix(): string {
    const rows = supportMatrix();
    const names = Object.keys(rows[0]?.backends ?? {});
    const table = new Table({ head: ['op', ...names], style: { head: [], border: [] } });
    for (const { op, backends: kinds } of rows) {
      table.push([op, ...names.map((name) => `${kinds[name]}\n${this.outcome(op, name)}`)]);
    }
    return `Support matrix: kind of kernel, and tests passed here\n${table}`;
  }

  private outcome(op: string, backend: string): string {
    const tally = this.tallies.get(`${op} on ${backend}`);
    if (tally !== undefined) return `${tally.passed} of ${tally.passed + tally.failed}`;
    const known = backends.find(({ name }) => name === backend);
    return known === undefined ? 'needs a browser' : known.missing ? 'SKIPPED' : 'not run';
  }
}
