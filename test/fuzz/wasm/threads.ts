import * as tf from '@tensorflow/tfjs';
import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { CONTROL } from '../../../ops/wasm/threads/control.js';
import type { Job, WorkerPool } from '../../../ops/wasm/threads/pool.js';
import {
  quantizedMatMul,
  scaledDotProductAttention,
  setThreads,
  useThreadedWasm,
} from '../../../src/index.js';
import { normal } from '../../harness/numbers/random.js';
import { differences, inside, pool } from '../../harness/wasm/threads.js';
import { forgetBackends, useBackend } from '../base/backends.js';
import type { FuzzCase, Kind } from '../base/kind.js';
import { found, type Outcome, RIGHT, thrown } from '../base/outcome.js';
import { Random } from '../base/random.js';

/** How long a caller waits for a worker that is dead (ms). */
const JOIN_MS = 150;
/** How long it is waited for that a worker is in a kernel (ms). */
const TAKE_MS = 8000;
/** On a busy machine the workers may be through before the caller looks: then it is run again. */
const ATTEMPTS = 20;

/** Kernels whose chunks take so long that a worker is still in one when it is killed. */
const LONG: Readonly<Record<string, () => tf.Tensor>> = {
  attention: () => {
    const x = tf.tensor4d(normal(4 * 640 * 64, 1), [1, 4, 640, 64]);
    return scaledDotProductAttention(x, x, x);
  },
  product: () => {
    const codes = tf.tensor2d(normal(512 * 768, 2), [512, 768]);
    const weights = { codes, bits: 32, groupSize: 512, shape: [512, 768] as const };
    return quantizedMatMul(tf.tensor2d(normal(640 * 512, 3), [640, 512]), weights);
  },
};

/** Workers that die while they are in a kernel: a right result or the typed error. */
export const threadsKind: Kind = {
  name: 'threads',
  share: 1,
  prepare: async () => {
    await useBackend('cpu');
    const factory = tf.findBackendFactory('wasm');
    tf.removeBackend('wasm');
    tf.registerBackend('wasm', factory, 2);
    await useThreadedWasm({ setThreadsCount });
    forgetBackends();
    const expected = Object.fromEntries(
      Object.entries(LONG).map(([name, run]) => [name, valuesOf(run)]),
    );
    return (seeds) => threadsCase(new Random(seeds[0]!), expected);
  },
};

function threadsCase(random: Random, all: Readonly<Record<string, Float32Array>>): FuzzCase {
  const threads = random.between(2, 4);
  const name = random.pick(Object.keys(LONG));
  const victims = random.between(1, threads - 1);
  const [run, expected] = [LONG[name]!, all[name]!];
  return {
    text: `${victims} of ${threads - 1} workers killed inside ${name}`,
    run: async () => {
      if ((await setThreads(threads)) !== threads) return found('wrong', 'workers do not start');
      const outcome = whileKilling(victims, () => sameOrTyped(run, expected));
      if (outcome === null) return found('wrong', 'no worker was in a kernel');
      await setThreads(1);
      const after = sameOrTyped(run, expected);
      return after.what === 'right' ? outcome : found('wrong', 'one thread does not go on');
    },
  };
}

/** What came of a run in which workers were killed; null where none was ever in a kernel. */
function whileKilling(victims: number, run: () => Outcome): Outcome | null {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const killed = killInside(pool(), victims);
    const outcome = run();
    if (killed() || outcome.what !== 'right') return outcome;
  }
  return null;
}

/**
 * Kills workers in the next job, as soon as one is in a chunk, before the caller's own first chunk.
 * Gives whether it was done.
 */
function killInside(workers: WorkerPool, victims: number): () => boolean {
  const { words, workers: all } = inside();
  let done = false;
  workers.joinMs = JOIN_MS;
  workers.run = (job: Job, own) => {
    let looked = false;
    Reflect.deleteProperty(workers, 'run');
    workers.run(job, (begin, end) => {
      if (!looked) done = kill(words, all.slice(0, victims));
      looked = true;
      own(begin, end);
    });
  };
  return () => done;
}

function kill(words: Int32Array, victims: readonly { terminate(): void }[]): boolean {
  const deadline = performance.now() + TAKE_MS;
  while (Atomics.load(words, CONTROL.active) === 0) {
    const isThrough = Atomics.load(words, CONTROL.next) >= words[CONTROL.count]!;
    if (isThrough || performance.now() > deadline) return false;
  }
  for (const victim of victims) victim.terminate();
  return true;
}

function sameOrTyped(run: () => tf.Tensor, expected: Float32Array): Outcome {
  const before = tf.memory().numTensors;
  try {
    const different = differences([valuesOf(run)], [expected]);
    if (different > 0) return found('wrong', `${different} elements differ`);
  } catch (error) {
    const outcome = thrown(error);
    if (outcome.what !== 'typed') return outcome;
    const left = tf.memory().numTensors - before;
    return left === 0 ? outcome : found('leak', `${left} tensors left`);
  }
  return RIGHT;
}

function valuesOf(run: () => tf.Tensor): Float32Array {
  return tf.tidy(() => run().dataSync<'float32'>().slice());
}
