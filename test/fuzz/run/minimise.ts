import type { FuzzCase } from '../base/kind.js';
import { found, type Outcome, thrown } from '../base/outcome.js';

type CaseOf = (seeds: readonly number[]) => FuzzCase;

/** Faults after which the process is what it was. */
const HARMLESS = ['untyped', 'wrong', 'leak'];

/**
 * Runs a case; what must not be is looked for again with one mutation less, as long as it is there.
 */
export async function caseOutcome(caseOf: CaseOf, seeds: readonly number[]): Promise<Outcome> {
  const outcome = await outcomeOf(caseOf(seeds));
  if (outcome.what !== 'found' || !HARMLESS.includes(outcome.fault)) return outcome;
  for (let i = 1; i < seeds.length && seeds.length > 2; i++) {
    const less = await caseOutcome(caseOf, seeds.toSpliced(i, 1));
    if (less.what === 'found' && less.fault === outcome.fault) return less;
  }
  return { ...outcome, message: `${outcome.message}\n  by ${caseOf(seeds).text}` };
}

/** What throws beside the call itself is the harness's own fault, and no less to be mended. */
async function outcomeOf({ run }: FuzzCase): Promise<Outcome> {
  try {
    return await run();
  } catch (error) {
    const outcome = thrown(error);
    if (outcome.what === 'found') return outcome;
    return found('crash', error instanceof Error ? `${error.stack}` : `${error}`);
  }
}
