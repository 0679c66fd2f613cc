/** For the pages that run one build of tfjs-backend-wasm: that they do. */
import * as tf from '@tensorflow/tfjs';
import { getThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { expect } from 'chai';
import { isShared } from '../../../ops/wasm/instance/backend.js';
import { getThreads } from '../../../src/index.js';
import { askedBuild, THREADS } from '../backends/wasmBuild.js';
import type { WasmBuild } from '../backends/wasmBuildNames.js';
import { current } from '../wasm/threads.js';

const FILES: Readonly<Record<WasmBuild, string>> = {
  plain: 'tfjs-backend-wasm.wasm',
  simd: 'tfjs-backend-wasm-simd.wasm',
  threaded: 'tfjs-backend-wasm-threaded-simd.wasm',
};

describe('This page', () => {
  const build = askedBuild();
  const threaded = build === 'threaded';
  before(() => tf.setBackend('wasm'));

  it('has fetched the build that it was asked to run, and no other', () => {
    const fetched = performance
      .getEntriesByType('resource')
      .map(({ name }) => new URL(name).pathname.split('/').at(-1))
      .filter((name) => name?.endsWith('.wasm'));
    expect(fetched).to.deep.equal([FILES[build!]]);
  });

  it('shares its memory if, and only if, the build is the threaded one', () => {
    expect(isShared(current().memory)).to.equal(threaded);
  });

  it('runs the kernels of tfjs and of the plugin on the threads that the build has', () => {
    expect(getThreads(), 'of the plugin').to.equal(threaded ? THREADS : 1);
    // the other builds give the number of their only one
    expect(getThreadsCount(), 'of tfjs').to.equal(threaded ? THREADS : 1);
  });
});
