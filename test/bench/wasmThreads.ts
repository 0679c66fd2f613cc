import * as tf from '@tensorflow/tfjs';
import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { DIT_S_2, DIT_XL_2 } from '../../models/seeded.js';
import { setThreads, useThreadedWasm } from '../../src/index.js';
import type { BenchCase, BenchSuite, Contest } from './harness.js';
import { LinearSubject } from './linearSubject.js';
import { ModelSubject } from './modelSubject.js';

const THREADS = 2;

const MODELS = {
  'DiT-S/2': DIT_S_2,
  'DiT-XL/2, one block': { ...DIT_XL_2, depth: 1 },
} as const;

const LINEARS = [
  [384, 1536, 256],
  [1152, 1152, 256],
  [1152, 4608, 256],
  [1152, 4608, 1024],
] as const;

const BARS = { '1 thread': 1.7 } as const;

const THREADS_FLAG = 'WASM_HAS_MULTITHREAD_SUPPORT';

/**
 * W4A8 on two threads against one, in tfjs's threaded build, whose own kernels keep to one thread.
 */
export const threadSuite: BenchSuite = { name: 'wasm-threads', prepare };

async function prepare(): Promise<{ cases: BenchCase[]; dispose: () => void }> {
  await restartBackend(true);
  const linears = LINEARS.map(([d, n, tokens]) => ({
    name: `${d}→${n}, ${tokens} tokens`,
    prepare: () => {
      const subject = new LinearSubject(d, n);
      const x = tf.tensor2d(subject.activations(tokens), [tokens, d]);
      const run = () => subject.hadanorm(x, 'W4A8').dispose();
      return contest(run, () => {
        subject.dispose();
        x.dispose();
      });
    },
  }));
  const models = Object.entries(MODELS).map(([name, config]) => ({
    name,
    prepare: async () => {
      const subject = await ModelSubject.make(config);
      const model = subject.rewritten('W4A8');
      const inputs = subject.inputs();
      const run = () => void tf.tidy(() => void model.execute(inputs));
      return contest(run, () => {
        model.dispose();
        subject.dispose();
        tf.dispose(inputs);
      });
    },
  }));
  // later suites get the build for one thread again
  return { cases: [...linears, ...models], dispose: () => void restartBackend(false) };
}

function contest(run: () => void, dispose: () => void): Contest {
  const on = (threads: number, name: string) => ({
    name,
    setUp: async () => {
      const used = await setThreads(threads);
      if (used !== threads) throw new Error(`${used} threads of ${threads} have started.`);
    },
    run,
  });
  return {
    ours: [{ ...on(THREADS, `${THREADS} threads`), bars: BARS }],
    peers: [on(1, '1 thread')],
    dispose: async () => {
      await setThreads(1);
      dispose();
    },
  };
}

/** The backend 'wasm' anew: tfjs chooses its build when it starts. */
async function restartBackend(threaded: boolean): Promise<void> {
  const factory = tf.findBackendFactory('wasm');
  tf.removeBackend('wasm');
  tf.registerBackend('wasm', factory, 2);
  tf.env().set(THREADS_FLAG, threaded);
  if (!threaded) return;
  setThreadsCount(1);
  if (!(await useThreadedWasm({ setThreadsCount }))) {
    throw new Error('tfjs runs without its threads here: the page must be cross-origin isolated.');
  }
}
