/**
 * npm run fuzz [-- --seed N] [--runs N] [--minutes X] [--kind NAME …] [--case N|N-M]
 *
 * Mutated inputs of every kind, each by nothing but the seed, its kind and its number: what is
 * found comes with the command that replays it, and ends the run with code 1. `--case` runs these
 * cases of the kinds named, and says what each is.
 */
import { flag, orExit, readFlags, repeated } from '../../src/cli/flags.js';
import { interruptible } from '../../src/cli/interruptible.js';
import { integer, NUMBER, oneOf, type Reader } from '../../src/cli/readers.js';
import { KINDS } from './run/kindList.js';
import { rounds } from './run/plan.js';
import type { Job } from './run/protocol.js';
import { Tally } from './run/tally.js';
import { type Ended, watch } from './run/watch.js';

const NAMES = KINDS.map(({ name }) => name);

const CASES: Reader<readonly [from: number, to: number]> = {
  ...{ shown: 'N|N-M', wanted: 'a number of a case, or two with a dash' },
  read: (given, wrong) => {
    const [from, to = from] = given.split('-').map(Number);
    const fits = /^\d+(-\d+)?$/.test(given) && from! <= to!;
    return fits ? [from!, to! + 1] : wrong(given);
  },
};

const { values } = orExit(() =>
  readFlags(
    'fuzz',
    {
      seed: flag(integer(0)),
      runs: flag(integer(1), '100000'),
      minutes: flag(NUMBER),
      kind: repeated(oneOf(NAMES)),
      case: flag(CASES),
    },
    process.argv.slice(2),
  ),
);
const seed = values.seed ?? Date.now() % 2 ** 32;
const kinds = values.kind.length > 0 ? values.kind : NAMES;
const deadline = performance.now() + 60_000 * (values.minutes ?? Number.POSITIVE_INFINITY);
const tally = new Tally();

console.log(`seed ${seed}`);
await interruptible(async (signal) => {
  for (const jobs of plan()) {
    await watch(seed, jobs, told, signal);
    if (values.case === null) console.log(`${tally.line()}, ${minutes()} minutes`);
    if (performance.now() > deadline) break;
  }
}, 'Stopped; this is what was found so far.');
console.log(`\n${tally.table()}`);
if (tally.countOf('tfjs') > 0) console.log(`\nWhat tfjs itself threw:\n${tally.tfjsMessages()}`);
console.log(`\n${tally.line()}, seed ${seed}`);
if (tally.findings.length > 0) process.exitCode = 1;

function plan(): Iterable<readonly Job[]> {
  if (values.case === null) return rounds(kinds, values.runs);
  const [from, to] = values.case;
  return [kinds.map((kind) => ({ kind, from, to }))];
}

function told(ended: Ended): void {
  tally.add(ended);
  const { kind, index, text, outcome } = ended;
  if (values.case !== null) console.log(`${kind} ${index}: ${text}\n  ${JSON.stringify(outcome)}`);
  if (outcome.what !== 'found') return;
  console.log(`\nFOUND ${outcome.fault}: ${outcome.message}\n  in ${text}`);
  console.log(`  npm run fuzz -- --seed ${seed} --kind ${kind} --case ${index}\n`);
}

function minutes(): string {
  return (performance.now() / 60_000).toFixed(1);
}
