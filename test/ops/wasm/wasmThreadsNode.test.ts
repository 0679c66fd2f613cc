import * as tf from '@tensorflow/tfjs';
import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { expect } from 'chai';
import { getThreads, setThreads, useThreadedWasm, WasmThreadError } from '../../../src/index.js';
import { runNode } from '../../harness/run/child.js';
import { differences, inside, pool, results } from '../../harness/wasm/threads.js';
import { restartWasm } from '../../harness/wasm/wasmBuilds.js';

describe('Threads of the WASM kernels in Node', () => {
  // ONNX Runtime Web, which the benchmarks' tests load, leaves one of its own
  const workerNow = () => (globalThis as { Worker?: unknown }).Worker;
  let workerBefore: unknown;

  before(() => {
    workerBefore = workerNow();
    return restartWasm(() => useThreadedWasm({ setThreadsCount }));
  });
  afterEach(() => setThreads(1));
  after(() => restartWasm());

  it('tfjs shares its memory in Node, and nothing of how is left behind', () => {
    expect(workerNow()).to.equal(workerBefore);
    expect(tf.env().get('WASM_HAS_MULTITHREAD_SUPPORT')).to.equal(false);
    const x = tf.ones([64, 64]);
    expect(tf.matMul(x, x).dataSync()[4095]).to.equal(64);
    x.dispose();
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

  it('idle workers do not keep Node from ending', () => {
    const { stdout } = runNode(['--import', 'tsx', '--eval', CHILD]);
    expect(stdout.trim()).to.equal('3 threads');
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
