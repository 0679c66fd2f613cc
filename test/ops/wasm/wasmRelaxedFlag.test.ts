import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { packCodes } from '../../../ops/numerics/packing.js';
import type { WasmBackend } from '../../../ops/wasm/instance/backend.js';
import { RELAXED_SIMD_FLAG, wasmModule } from '../../../ops/wasm/module.js';
import { quantizedMatMul } from '../../../src/index.js';
import '../../harness/backends/backends.js';

describe(`Flag ${RELAXED_SIMD_FLAG}`, () => {
  before(async () => {
    await tf.setBackend('wasm');
  });
  afterEach(() => tf.env().set(RELAXED_SIMD_FLAG, true));

  it('false keeps relaxed SIMD out, true brings it back where the engine has it', () => {
    const backend = tf.backend() as unknown as WasmBackend;
    const own = wasmModule(backend);
    tf.env().set(RELAXED_SIMD_FLAG, false);
    expect(wasmModule(backend)?.relaxed).to.equal(null);
    expect(wasmModule(backend)).to.not.equal(own);
    tf.env().set(RELAXED_SIMD_FLAG, true);
    expect(wasmModule(backend)).to.equal(own);
  });

  it('integer products are the same with it and without', () => {
    const [d, n, tokens] = [64, 24, 5];
    const codes = Int8Array.from({ length: d * n }, (_, i) => ((i * 7) % 16) - 8);
    const products = [true, false].map((relaxed) => {
      tf.env().set(RELAXED_SIMD_FLAG, relaxed);
      return tf.tidy(() => {
        const x = Int32Array.from({ length: tokens * d }, (_, i) => (i * 31) % 256);
        const quantized = {
          codes: tf.tensor2d(x, [tokens, d]),
          scale: tf.fill([tokens, 1], 0.5),
          zeroPoint: tf.fill([tokens, 1], 100),
          bits: 8,
          groupSize: d,
        };
        const weights = {
          codes: tf.tensor1d(packCodes(codes, d, n, 4), 'bool'),
          scale: tf.fill<tf.Rank.R2>([1, n], 0.25),
          bits: 4,
          groupSize: d,
          shape: [d, n],
        } as const;
        return quantizedMatMul(quantized, weights).dataSync();
      });
    });
    expect(products[0]).to.deep.equal(products[1]);
    expect(products[0]!.some((value) => value !== 0)).to.equal(true);
  });
});
