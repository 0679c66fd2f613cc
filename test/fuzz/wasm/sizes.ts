import * as tf from '@tensorflow/tfjs';
import {
  hadaNormQuantize,
  modulatedLayerNorm,
  quantizedMatMul,
  scaledDotProductAttention,
} from '../../../src/index.js';
import type { FuzzCase, Kind } from '../base/kind.js';
import { found, type Outcome } from '../base/outcome.js';
import { Random } from '../base/random.js';
import { guardedResult, onCpu, type Result } from '../guard/runs.js';

type Call = (rows: number, columns: number) => tf.Tensor | readonly (tf.Tensor | null)[];

/** Small inputs whose result has rows · columns elements. */
const CALLS: Readonly<Record<string, Call>> = {
  QuantizedMatMul: (rows, n) => {
    const codes = tf.ones([1, n]);
    return quantizedMatMul(tf.ones([rows, 1]), { codes, bits: 32, groupSize: 1, shape: [1, n] });
  },
  ScaledDotProductAttention: (rows, channels) => {
    const mask = tf.zeros([rows, 1, 1, 1]);
    const [q, k] = [tf.ones([1, 1, 1, 1]), tf.ones([1, 1, 1, 1])];
    return scaledDotProductAttention(q, k, tf.ones([1, 1, 1, channels]), { mask });
  },
  HadaNormQuantize: (samples, rank) => {
    const basis = tf.ones([rank, 2]);
    return hadaNormQuantize(tf.ones([samples, 1, 2]), { blockSize: 0, basis }).coefficients!;
  },
  'HadaNormQuantize, along': (tokens, rank) => {
    const directions = tf.ones([2, rank]);
    return hadaNormQuantize(tf.ones([tokens, 1, 2]), { blockSize: 0, directions }).along!;
  },
  ModulatedLayerNorm: (rows, columns) =>
    modulatedLayerNorm(tf.ones([rows, 1, 1]), { factor: tf.ones([1, columns, 1]) }),
};

/** tfjs's own, which our guard of its heap keeps within the memory. */
const OF_TFJS: Readonly<Record<string, Call>> = {
  matMul: (rows, columns) => tf.matMul(tf.ones([rows, 1]), tf.ones([1, columns])),
  add: (rows, columns) => tf.add(tf.ones([rows, 1]), tf.ones([1, columns])),
};

/** Results of 2 GiB and more: nothing is allocated for them, and nothing written. */
export const sizesKind: Kind = {
  name: 'sizes',
  share: 15,
  prepare: async () => sizesCase,
};

function sizesCase(seeds: readonly number[]): FuzzCase {
  const random = new Random(seeds[0]!);
  const own = random.chance(0.65);
  const calls = own ? CALLS : OF_TFJS;
  const name = random.pick(Object.keys(calls));
  const [rows, columns] = sidesOf(random);
  const call = async () =>
    tf.tidy(() => [calls[name]!(rows, columns)].flat().filter((one) => one !== null));
  return {
    text: `${name} of ${rows} · ${columns}`,
    run: async () => {
      const wasm = refused(await guardedResult(call));
      // its kernel keeps what it reshaped
      if (!own && wasm.what === 'found' && wasm.fault === 'leak') {
        return { what: 'tfjs', message: `${name} keeps buffers where there is no memory` };
      }
      // what no backend counts is refused by all; a little less would fill this machine's memory
      if (wasm.what !== 'typed' || !own || rows * columns < 2 ** 31) return wasm;
      return refused(await onCpu(call));
    },
  };
}

/** A product that takes a little more than 2, 4, 8 or 16 GiB, or far more. */
function sidesOf(random: Random): [number, number] {
  const elements =
    2 ** random.pick([29, 30, 30, 31, 32]) + random.pick([0, 1, 16, 2 ** 12, 2 ** 20]);
  const rows = random.between(2 ** 14, 2 ** 17);
  return [rows, Math.ceil(elements / rows) + random.below(3)];
}

function refused({ outcome }: Result): Outcome {
  return outcome.what === 'right' ? found('wrong', 'taken, though there is no room') : outcome;
}
