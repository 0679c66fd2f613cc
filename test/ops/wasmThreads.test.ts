import * as tf from '@tensorflow/tfjs';
import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { expect } from 'chai';
import type { WasmBackend } from '../../ops/wasm/backend.js';
import { type WasmModule, wasmModule } from '../../ops/wasm/module.js';
import { CONTROL } from '../../ops/wasm/threads/control.js';
import type { WorkerPool } from '../../ops/wasm/threads/pool.js';
import {
  channelCenter,
  fakeQuant,
  getThreads,
  hadamardTransform,
  InvalidArgumentError,
  setThreads,
  useThreadedWasm,
  WasmThreadError,
} from '../../src/index.js';
import { runNode } from '../harness/child.js';
import { normal } from '../harness/random.js';
import { restartWasm } from '../harness/wasmBuilds.js';

/** What is not public of a pool. */
interface PoolInside {
  readonly words: Int32Array;
  readonly workers: readonly { terminate(): void }[];
}

/** Large enough that every kernel's work is cut. */
const SHAPE: [number, number] = [131, 480];
const VALUES = normal(131 * 480, 1);

describe('Threads of the WASM kernels', () => {
  before(async () => {
    await restartWasm(async () =>
      expect(await useThreadedWasm({ setThreadsCount })).to.equal(true),
    );
  });
  afterEach(() => setThreads(1));
  after(() => restartWasm());

  it('tfjs shares its memory in Node, and nothing of how is left behind', () => {
    expect(globalThis).to.not.have.property('Worker');
    expect(tf.env().get('WASM_HAS_MULTITHREAD_SUPPORT')).to.equal(false);
    const x = tf.ones([64, 64]);
    expect(tf.matMul(x, x).dataSync()[4095]).to.equal(64);
    x.dispose();
  });

  it('results are the same to the bit on 1, 2 and 4 threads', async () => {
    const expected = results();
    for (const threads of [2, 4]) {
      expect(await setThreads(threads)).to.equal(threads);
      expect(getThreads()).to.equal(threads);
      for (let round = 0; round < 5; round++) expect(differences(results(), expected)).to.equal(0);
    }
  });

  it('workers follow where the memory grows to', async () => {
    await setThreads(2);
    const expected = results();
    const before = memoryBytes();
    const large = tf.zeros([1 << 25]);
    expect(memoryBytes()).to.be.greaterThan(before);
    const behind = tf.ones([1 << 22]);
    const doubled = fakeQuant(behind, { granularity: { kind: 'perTensor' } });
    expect(tf.max(tf.abs(tf.sub(doubled, behind))).dataSync()[0]).to.equal(0);
    expect(differences(results(), expected)).to.equal(0);
    tf.dispose([large, behind, doubled]);
  });

  it('a worker that is killed between two calls is told of, and one thread goes on', async () => {
    await setThreads(3);
    const expected = results();
    const warnings = await warningsWhile(async () => {
      inside().workers[0]!.terminate();
      await until(() => getThreads() === 1);
    });
    expect(warnings).to.deep.equal([
      'tfjs-hadanorm: a worker ended; WASM kernels go on with one thread.',
    ]);
    expect(differences(results(), expected)).to.equal(0);
    expect(await setThreads(2)).to.equal(2);
    expect(differences(results(), expected)).to.equal(0);
  });

  it('a worker that never leaves its chunk gives an error in time, and one thread goes on', async () => {
    const expected = results();
    await setThreads(2);
    pool().joinMs = 100;
    // as one that died within its chunk has left it
    Atomics.add(inside().words, CONTROL.active, 1);
    const started = performance.now();
    expect(results).to.throw(WasmThreadError, 'a worker died, or does not answer');
    expect(performance.now() - started).to.be.within(90, 5000);
    expect(getThreads()).to.equal(1);
    expect(differences(results(), expected)).to.equal(0);
  });

  it('workers that are killed while they work never hang a call', async () => {
    const expected = results();
    for (let round = 0; round < 5; round++) {
      expect(await setThreads(4)).to.equal(4);
      pool().joinMs = 300;
      await warningsWhile(async () => {
        for (const worker of inside().workers) worker.terminate();
        // no event reaches this thread while it works: the pool has to notice by itself
        const until = performance.now() + 50;
        while (performance.now() < until) {
          try {
            expect(differences(results(), expected)).to.equal(0);
          } catch (error) {
            expect(error).to.be.instanceOf(WasmThreadError);
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      });
      expect(getThreads()).to.equal(1);
      expect(differences(results(), expected)).to.equal(0);
    }
  });

  it('a kernel that fails in a worker gives an error, and one thread goes on', async () => {
    await setThreads(2);
    const words = inside().words;
    // what a worker leaves when its kernel throws; the caller resets it when it writes a job, so it is set while one runs
    const module = current();
    const run = () =>
      pool().run(
        { kernel: 0, args: [], count: 2, chunk: 1, scratch: 0, scratchStride: 0 },
        () => void Atomics.store(words, CONTROL.failed, 1),
      );
    expect(run).to.throw(WasmThreadError, 'a kernel failed in a worker');
    expect(module.threads).to.equal(1);
  });

  it('the last of several calls of setThreads decides', async () => {
    const asked = [setThreads(4), setThreads(3), setThreads(1)];
    await Promise.all(asked);
    expect(getThreads()).to.equal(1);
    await Promise.all([setThreads(1), setThreads(2)]);
    expect(getThreads()).to.equal(2);
  });

  it('numbers that are none of threads are refused', async () => {
    for (const threads of [0, 1.5, 65, Number.NaN]) {
      const error = await setThreads(threads).catch((e: unknown) => e);
      expect(error).to.be.instanceOf(InvalidArgumentError);
    }
  });

  it('idle workers do not keep Node from ending', () => {
    const { stdout } = runNode(['--import', 'tsx', '--eval', CHILD]);
    expect(stdout.trim()).to.equal('3 threads');
  });
});

describe('Threads where tfjs does not share its memory', () => {
  it('one thread does the work, silently', async () => {
    await tf.setBackend('wasm');
    expect(await setThreads(4)).to.equal(1);
    expect(getThreads()).to.equal(1);
  });
});

const CHILD = `
import '@tensorflow/tfjs';
import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { setThreads, useThreadedWasm } from 'tfjs-hadanorm';
const main = async () => {
  await setThreads(2).then(() => console.log('no error'), () => {});
  await useThreadedWasm({ setThreadsCount });
  console.log(await setThreads(3), 'threads');
};
main();
`;

/** Every way that the kernels cut their work. */
function results(): Float32Array[] {
  return tf.tidy(() => {
    const x = tf.tensor2d(VALUES, SHAPE);
    const { centered, mean } = channelCenter(x);
    return [
      hadamardTransform(x),
      hadamardTransform(x, { blockSize: 40 }),
      centered,
      mean,
      fakeQuant(x),
      fakeQuant(x, { granularity: { kind: 'perTensor' } }),
      fakeQuant(x, { granularity: { kind: 'perChannel' } }),
    ].map((y) => y.dataSync<'float32'>().slice());
  });
}

function differences(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  let different = 0;
  a.forEach((y, i) => {
    for (let at = 0; at < y.length; at++) if (y[at] !== b[i]![at]) different++;
  });
  return different;
}

function current(): WasmModule {
  return wasmModule(tf.backend() as unknown as WasmBackend)!;
}

function pool(): WorkerPool {
  return (current() as unknown as { pool: WorkerPool }).pool;
}

function inside(): PoolInside {
  return pool() as unknown as PoolInside;
}

function memoryBytes(): number {
  return current().memory.buffer.byteLength;
}

async function warningsWhile(body: () => Promise<void>): Promise<string[]> {
  const { warn } = console;
  const warnings: string[] = [];
  console.warn = (text: string) => warnings.push(text);
  try {
    await body();
  } finally {
    console.warn = warn;
  }
  return warnings;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((r) => setTimeout(r, 10));
  expect(condition()).to.equal(true);
}
