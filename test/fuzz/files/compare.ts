import { found, type Outcome, RIGHT } from '../base/outcome.js';
import type { Output } from '../guard/runs.js';

/** Part of the root mean square that codes on the other side of a tie come to. */
const TOLERANCE = 0.02;

/**
 * Whether the two backends give the same. Codes fall on either side of a tie, and numbers that a
 * mutation made large come and go: what is more than that apart is wrong, unless inputs that differ
 * in their last bits are as far apart on one backend.
 *
 * @param near What the cpu backend gives for inputs that are next to those.
 */
export async function sameAnswers(
  cpu: readonly Output[],
  wasm: readonly Output[],
  near: () => Promise<readonly Output[]>,
): Promise<Outcome> {
  const shapes = [cpu, wasm].map((outputs) => outputs.map(({ shape }) => `[${shape}]`).join());
  if (shapes[0] !== shapes[1]) return found('wrong', `shapes ${shapes.join(' and ')}`);
  for (const [i, { values }] of cpu.entries()) {
    const { distance, size } = apart(values, wasm[i]!.values);
    if (distance <= TOLERANCE * size) continue;
    const others = (await near())[i];
    if (others !== undefined && apart(values, others.values).distance > 0.1 * distance) continue;
    return found('wrong', `output ${i}: cpu and wasm are ${distance} apart, at a size of ${size}`);
  }
  return RIGHT;
}

/** Root mean squares; numbers that are none, and those beyond float16's range, say nothing. */
function apart(a: ArrayLike<number>, b: ArrayLike<number>): { distance: number; size: number } {
  let [distance, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const [p, q] = [a[i]!, b[i]!];
    if (!(Math.abs(p) < 1e6 && Math.abs(q) < 1e6)) return { distance: 0, size: 1 };
    distance += (p - q) ** 2;
    size += p ** 2;
  }
  const count = Math.max(a.length, 1);
  return { distance: Math.sqrt(distance / count), size: Math.sqrt(size / count) + 1e-6 };
}
