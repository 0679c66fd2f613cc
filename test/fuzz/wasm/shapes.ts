import * as tf from '@tensorflow/tfjs';
import { findHadamardPlan } from '../../../ops/numerics/hadamard.js';
import { packedBytes } from '../../../ops/numerics/packing.js';
import { hadamardTransform, hadaNormQuantize, quantizedMatMul } from '../../../src/index.js';
import type { FuzzCase, Kind } from '../base/kind.js';
import { found, type Outcome } from '../base/outcome.js';
import { Random } from '../base/random.js';
import { Guard } from '../guard/guard.js';
import { guardedResult } from '../guard/runs.js';

/** What all tables may take between two calls, 16 MiB. */
const MOST_BYTES = 2 ** 24;

/** What an arena keeps (1 MiB), which the first calls may take. */
const ARENA_BYTES = 2 ** 20 + 2 ** 12;

/** Widths and numbers of tokens that were never there before: what is kept for each is bounded. */
export const shapesKind: Kind = {
  name: 'shapes',
  share: 10,
  prepare: async () => {
    // what earlier kinds hold, their models among it, is not the tables'
    const { liveBytes } = await Guard.get();
    return (seeds) => shapesCase(seeds, liveBytes);
  },
};

function shapesCase(seeds: readonly number[], before: number): FuzzCase {
  const random = new Random(seeds[0]!);
  const tokens = random.between(1, 60);
  const widths = Array.from({ length: 6 }, () => widthOf(random));
  const small = 4 * random.between(1, 200);
  const call = () => [...widths.flatMap(turned), product(tokens, small)];
  return {
    text: `widths ${widths}, ${tokens} tokens of ${small}`,
    run: () => bounded(async () => call(), before),
  };
}

/** A width whose matrix has a large factor, and so a large table: one for each width. */
function widthOf(random: Random): number {
  for (;;) {
    const width = 4 * random.between(200, 256);
    const factors = findHadamardPlan(width)?.factors ?? [];
    const isLarge = factors.some(({ kind, order }) => kind !== 'sylvester' && order >= 800);
    if (isLarge) return width * random.pick([1, 2, 4]);
  }
}

function turned(width: number): tf.Tensor[] {
  return [false, true].map((transpose) => {
    const x = tf.ones([2, width]);
    const y = hadamardTransform(x, { transpose });
    x.dispose();
    return y;
  });
}

function product(tokens: number, d: number): tf.Tensor {
  return tf.tidy(() => {
    const { quantized } = hadaNormQuantize(tf.ones([tokens, d]), { blockSize: 0, groupSize: 4 });
    const codes = tf.zeros([packedBytes(d, 4, 4)], 'bool');
    const scale = tf.ones([d / 4, 4]);
    return quantizedMatMul(quantized, { codes, scale, bits: 4, groupSize: 4, shape: [d, 4] });
  });
}

async function bounded(call: () => Promise<tf.Tensor[]>, before: number): Promise<Outcome> {
  const { outcome } = await guardedResult(call);
  if (outcome.what !== 'right') return outcome;
  const { liveBytes } = await Guard.get();
  const kept = liveBytes - before;
  if (kept <= MOST_BYTES + ARENA_BYTES) return outcome;
  return found('memory', `${kept} bytes more of WASM memory are kept when nothing runs`);
}
