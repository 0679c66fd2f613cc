import * as tf from '@tensorflow/tfjs';
import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { expect } from 'chai';
import { CONTROL } from '../../../ops/wasm/threads/control.js';
import {
  fakeQuant,
  getThreads,
  InvalidArgumentError,
  setThreads,
  useThreadedWasm,
  WasmThreadError,
} from '../../../src/index.js';
import {
  current,
  differences,
  inside,
  memoryBytes,
  pool,
  results,
} from '../../harness/wasm/threads.js';
import { restartWasm, withFlags } from '../../harness/wasm/wasmBuilds.js';

// in a page too: it is served cross-origin isolated
describe('Threads of the WASM kernels', () => {
  before(async () => {
    await restartWasm(async () =>
      expect(await useThreadedWasm({ setThreadsCount })).to.equal(true),
    );
  });
  afterEach(() => setThreads(1));
  after(() => restartWasm());

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

  it('a worker that never leaves its chunk is an error in time; one thread goes on', async () => {
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

  it('a kernel that fails in a worker gives an error, and one thread goes on', async () => {
    await setThreads(2);
    const words = inside().words;
    // what a worker leaves when its kernel throws; the caller resets it when it writes a job, so it
    // is set while one runs
    const module = current();
    const run = () =>
      pool().run(
        // so many chunks that the worker does not take them all
        { kernel: 0, args: [], count: 100_000, chunk: 1, scratch: 0, scratchStride: 0 },
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

  it('workers that are gone when a call begins leave it to the others', async () => {
    const expected = results();
    await setThreads(3);
    for (const worker of inside().workers) worker.terminate();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(differences(results(), expected)).to.equal(0);
  });
});

describe('Threads where tfjs does not share its memory', () => {
  before(() => withFlags({ WASM_HAS_MULTITHREAD_SUPPORT: false }, () => restartWasm()));
  after(() => restartWasm());

  it('one thread does the work, silently', async () => {
    expect(await setThreads(4)).to.equal(1);
    expect(getThreads()).to.equal(1);
  });
});
