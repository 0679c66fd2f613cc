import { type BenchRow, type BenchSuite, type RaceOptions, race } from './harness.js';

/** Which cases are run, and how. */
export interface RunOptions extends RaceOptions {
  /** Names of suites; `wasm` stands for `wasm-linears` and its like too. None: all. */
  readonly suites: readonly string[];
  /** Text in the name of each case. */
  readonly text: string;
  /** Told what is being done. */
  readonly log: (line: string) => void;
  /** Given the rows of a case when they are there. */
  readonly onRows: (rows: readonly BenchRow[]) => void;
}

/** Whether a suite is one of those asked for by name. */
export function isAsked({ name }: BenchSuite, asked: string): boolean {
  return name === asked || name.startsWith(`${asked}-`);
}

/** Runs the suites one after the other, each in its own time. */
export async function runSuites(
  suites: readonly BenchSuite[],
  { suites: asked, text, log, onRows, ...raceOptions }: RunOptions,
): Promise<void> {
  for (const suite of suites) {
    const { name, missing, prepare, onlyAsked } = suite;
    const wanted = asked.length === 0 ? onlyAsked !== true : asked.some((by) => isAsked(suite, by));
    if (!wanted) continue;
    if (missing !== undefined) {
      log(`SKIPPED ${name}: ${missing}`);
      continue;
    }
    const { cases, dispose } = await prepare();
    const chosen = cases.filter((one) => one.name.includes(text));
    for (const [i, one] of chosen.entries()) {
      log(`${name} ${i + 1}/${chosen.length}: ${one.name}`);
      onRows(await race(name, one, raceOptions));
    }
    dispose();
  }
}
