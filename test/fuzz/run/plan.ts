import { KINDS } from './kindList.js';
import type { Job } from './protocol.js';

/** Inputs between two new processes. */
const ROUND = 4000;

/** The jobs of a number of inputs, kind by kind, in rounds of one process each. */
export function* rounds(names: readonly string[], runs: number): Generator<readonly Job[]> {
  const kinds = KINDS.filter(({ name }) => names.includes(name));
  const shares = kinds.reduce((sum, { share }) => sum + share, 0);
  const done = new Map<string, number>();
  for (let before = 0; before < runs; before += ROUND) {
    const until = Math.min(before + ROUND, runs);
    const jobs = kinds.map(({ name: kind, share }) => {
      const from = done.get(kind) ?? 0;
      const to = Math.max(from, Math.ceil((until * share) / shares));
      done.set(kind, to);
      return { kind, from, to };
    });
    yield jobs.filter(({ from, to }) => to > from);
  }
}
