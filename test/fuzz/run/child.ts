/**
 * What runs the cases: `child.ts ORDER`, an `Order` as JSON. It says what it does as it goes, and
 * ends; whoever started it watches.
 */
import { writeSync } from 'node:fs';
import { seedsOf } from '../base/random.js';
import { KINDS } from './kindList.js';
import { caseOutcome } from './minimise.js';
import { CHANNEL, type Order, type Said } from './protocol.js';

const { seed, jobs } = JSON.parse(process.argv[2]!) as Order;
const prepared = new Map<string, Awaited<ReturnType<(typeof KINDS)[number]['prepare']>>>();

for (const { kind: name, from, to } of jobs) {
  const kind = KINDS.find((one) => one.name === name)!;
  say({ preparing: name });
  const caseOf = prepared.get(name) ?? (await kind.prepare());
  prepared.set(name, caseOf);
  for (let i = from; i < to; i++) {
    const seeds = seedsOf(name, seed, i);
    const one = caseOf(seeds);
    say({ begin: i, kind: name, text: one.text });
    const outcome = await caseOutcome(caseOf, seeds);
    say({ end: i, kind: name, outcome });
    // what was written beside its place may be anything: the next case gets a process of its own
    if (outcome.what === 'found') process.exit(0);
  }
}
process.exit(0);

function say(said: Said): void {
  writeSync(CHANNEL, `${JSON.stringify(said)}\n`);
}
