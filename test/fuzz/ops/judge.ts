import { found, type Outcome, RIGHT } from '../base/outcome.js';
import type { Output, Result } from '../guard/runs.js';

/**
 * What a call came to: both backends do what the contract says, and what they give is right.
 *
 * @param legal Whether the contract holds; null where that is not known.
 * @param check What is wrong with outputs.
 */
export function judged(
  legal: boolean | null,
  results: Readonly<Record<'cpu' | 'wasm', Result>>,
  check: (outputs: readonly Output[]) => string | null,
): Outcome {
  const { cpu, wasm } = results;
  for (const { outcome } of [cpu, wasm]) if (outcome.what === 'found') return outcome;
  if (cpu.outcome.what !== wasm.outcome.what) {
    const texts = [cpu, wasm].map(({ outcome }) => JSON.stringify(outcome));
    return found('wrong', `cpu says ${texts[0]}, wasm ${texts[1]}`);
  }
  if (cpu.outcome.what !== 'right') {
    const refused = legal === true && cpu.outcome.what === 'typed';
    return refused ? found('wrong', `refused: ${cpu.outcome.message}`) : cpu.outcome;
  }
  if (legal === false) return found('wrong', 'taken, though the contract says otherwise');
  const shapes = [cpu, wasm].map(({ outputs }) => outputs.map(({ shape }) => `[${shape}]`).join());
  if (shapes[0] !== shapes[1]) return found('wrong', `shapes ${shapes.join(' and ')}`);
  for (const [backend, { outputs }] of Object.entries(results)) {
    const off = check(outputs);
    if (off !== null) return found('wrong', `${backend}: ${off}`);
  }
  return RIGHT;
}
