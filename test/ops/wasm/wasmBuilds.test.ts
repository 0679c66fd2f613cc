import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { WasmBackend } from '../../../ops/wasm/instance/backend.js';
import { wasmModule } from '../../../ops/wasm/module.js';
import { channelCenter, fakeQuant, hadamardTransform, setThreads } from '../../../src/index.js';
import { expectWithin } from '../../harness/numbers/compare.js';
import { normal } from '../../harness/numbers/random.js';
import { expectNoLeak } from '../../harness/run/memory.js';
import { restartWasm, withFlags } from '../../harness/wasm/wasmBuilds.js';

const VALUES = normal(7 * 48, 1);

/** What the cpu backend gives. */
let expected: readonly Float32Array[];

describe('Builds of tfjs-backend-wasm', () => {
  before(async () => {
    await tf.setBackend('cpu');
    expected = results();
  });
  after(() => restartWasm());

  it('the kernels run in the memory of the build without SIMD', async () => {
    await withFlags({ WASM_HAS_SIMD_SUPPORT: false }, () => restartWasm());
    const module = moduleNow();
    expect(module).to.not.equal(null);
    expectNoLeak(() => check(results()));
    // the build without SIMD keeps its memory elsewhere than the threaded one
    expect(module!.memory.buffer).to.be.instanceOf(ArrayBuffer);
    expect(await setThreads(2)).to.equal(1);
  });

  it('the kernels run in the memory of the build with SIMD and without threads', async () => {
    await withFlags({ WASM_HAS_MULTITHREAD_SUPPORT: false }, () => restartWasm());
    expectNoLeak(() => check(results()));
    expect(moduleNow()!.memory.buffer).to.be.instanceOf(ArrayBuffer);
  });

  it('an engine without SIMD runs compositions, right, and says so once', async () => {
    const { warn } = console;
    const { validate } = WebAssembly;
    const warnings: string[] = [];
    await restartWasm();
    console.warn = (text: string) => warnings.push(text);
    WebAssembly.validate = () => false;
    try {
      expect(moduleNow()).to.equal(null);
      expectNoLeak(() => check(results()));
    } finally {
      WebAssembly.validate = validate;
      console.warn = warn;
    }
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include('has no WebAssembly SIMD');
  });

  it('a backend that is started anew gets kernels of its own', async () => {
    await restartWasm();
    const first = moduleNow();
    check(results());
    await restartWasm();
    expect(moduleNow()).to.not.equal(first);
    check(results());
  });
});

function moduleNow() {
  return wasmModule(tf.backend() as unknown as WasmBackend);
}

function results(): Float32Array[] {
  return tf.tidy(() => {
    const x = tf.tensor2d(VALUES, [7, 48]);
    const { centered, mean } = channelCenter(x);
    return [hadamardTransform(x), centered, mean, fakeQuant(x)].map((y) =>
      y.dataSync<'float32'>().slice(),
    );
  });
}

function check(actual: readonly Float32Array[]): void {
  actual.forEach((y, i) => {
    expectWithin(y, expected[i]!, 1e-5);
  });
}
