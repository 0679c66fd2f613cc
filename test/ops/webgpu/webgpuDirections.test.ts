import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { currentBackend } from '../../../ops/common/kernel.js';
import { packCodes } from '../../../ops/numerics/packing.js';
import type { WebgpuBackend } from '../../../ops/webgpu/backend.js';
import {
  type HadaNormQuantizeOptions,
  hadamardTransform,
  hadaNormQuantize,
  type PackedWeights,
  quantizedMatMul,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { normal } from '../../harness/numbers/random.js';
import { dequantized } from '../../harness/ops/quantizedActivations.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const [TOKENS, D, N] = [12, 64, 40];

describeOnBackends('Directions in WebGPU kernels', (backendName) => {
  if (backendName !== 'webgpu') return;

  // a tile of one sample multiplies its mean itself
  for (const [rank, samples, programs] of [
    [16, 2, 5],
    [5, 2, 5],
    [5, 1, 4],
  ] as const) {
    it(`${rank} directions take no program more for ${samples} samples, once arranged`, () => {
      tf.tidy(() => {
        const run = site(rank, samples);
        for (const beside of [false, true]) run(beside);
        const [without, beside] = [false, true].map((way) => programsOf(() => run(way)));
        expect(without).to.equal(programs);
        expect(beside).to.equal(programs);
      });
    });
  }

  it('a mean within the tiles is as from a program of its own, and a basis takes none', () => {
    tf.tidy(() => {
      const [d, n, rank] = [1152, 24, 15];
      const x = tf.tensor(normal(70 * d, 1, 0.5), [70, d]);
      const basis = tf.tensor2d(normal(rank * d, 2, 0, d ** -0.5), [rank, d]);
      const weights = {
        codes: tf.tensor1d(
          packCodes(
            new Int8Array(d * n).map((_, i) => (i % 15) - 7),
            d,
            n,
            4,
          ),
          'bool',
        ),
        scale: tf.tensor2d(normal(18 * n, 3, 0, 0.01), [18, n]),
        ...{ bits: 4, groupSize: 64, shape: [d, n] as const },
      };
      const rows = tf.tensor2d(normal((rank + 1) * n, 4), [rank + 1, n]);
      const given = {
        basis: rows,
        basisScale: tf.ones([rank + 1]),
        bias: tf.tensor1d(normal(n, 5)),
      };
      const linear = (samples: number, tokens: number) => {
        const all = tf.reshape(tf.tile(x, [samples, 1]), [samples, 70, d]);
        const input = tf.slice(all, [0, 0, 0], [samples, tokens, d]);
        const { quantized, residual, coefficients } = hadaNormQuantize(input, { basis });
        const means = { residual: residual!, coefficients: coefficients! };
        return quantizedMatMul(quantized, weights, { ...given, ...means });
      };
      const one = linear(1, 70);
      // samples that share tiles
      expectNear(tf.slice(linear(2, 70), [1, 0, 0], [1, 70, n]), one, 1e-4);
      expect(programsOf(() => void linear(1, 70).dataSync()) - programsOf(tiled)).to.equal(4);
      function tiled() {
        tf.slice(tf.reshape(tf.tile(x, [1, 1]), [1, 70, d]), [0, 0, 0], [1, 70, d]).dataSync();
      }
    });
  });

  it('what is arranged goes with the directions and the codes', () => {
    expectNoLeak(() => tf.tidy(() => site(5)(true)));
  });

  it('more directions than a workgroup has room for go by the composition', () => {
    tf.tidy(() => {
      const directions = tf.tensor2d(normal(256 * 129, 2, 0, 1 / 16), [256, 129]);
      const x = tf.tensor2d(normal(3 * 256, 1), [3, 256]);
      const { along } = hadaNormQuantize(x, { directions, center: 'none' });
      expectNear(along!, tf.matMul(hadamardTransform(x), directions), 1e-4);
    });
  });

  for (const subtract of [false, true]) {
    it(`of rows that workgroup memory does not hold${subtract ? ', subtracted' : ''}`, () => {
      tf.tidy(() => {
        const [d, rank] = [15360, 3];
        const x = tf.tensor2d(normal(2 * d, 3, 0.5), [2, d]);
        const directions = tf.tensor2d(normal(d * rank, 4, 0, d ** -0.5), [d, rank]);
        const { quantized, residual, along } = hadaNormQuantize(x, { directions, subtract });
        const mean = tf.mean(x, 0, true);
        const rotated = hadamardTransform(tf.sub(x, mean)) as tf.Tensor2D;
        const off = hadamardTransform(mean) as tf.Tensor2D;
        const taken = (rows: tf.Tensor2D) =>
          tf.matMul(tf.matMul(rows, directions), directions, false, true);
        const left = (rows: tf.Tensor2D) => (subtract ? tf.sub(rows, taken(rows)) : rows);
        expectNear(along!, tf.matMul(tf.add(rotated, off) as tf.Tensor2D, directions), 1e-4);
        expectNear(residual!, left(off), 1e-4);
        const step = Math.max(...quantized.scale.dataSync());
        expectNear(dequantized(quantized), left(rotated), 0.51 * step + 1e-4);
      });
    });
  }
});

/** A site and a linear behind it; how often it ran does not change what it gives. */
function site(rank: number, samples = 2): (beside: boolean) => Float32Array {
  const x = tf.tensor(normal(samples * TOKENS * D, 1), [samples, TOKENS, D]);
  const [scale, mean] = [tf.ones([D]), tf.tensor1d(normal(D, 2))];
  const directions = tf.tensor2d(normal(D * rank, 3, 0, 0.1), [D, rank]);
  const rows = tf.tensor2d(normal((rank + 1) * N, 4), [rank + 1, N]);
  const directionScale = tf.tensor1d(normal(rank + 1, 5));
  const residual = tf.tensor1d(normal(N, 6));
  const weights: PackedWeights = {
    codes: tf.tensor1d(packCodes(new Int8Array(D * N).fill(1), D, N, 4), 'bool'),
    scale: tf.ones([1, N]),
    ...{ bits: 4, groupSize: D, shape: [D, N] },
  };
  return (beside) => {
    const options: HadaNormQuantizeOptions = beside ? { directions, subtract: true } : {};
    const result = hadaNormQuantize(x, { scale, mean, ...options });
    const along = result.along ?? undefined;
    const branch = along && { along, directionWeights: rows, directionScale };
    const given = { bias: residual, residual: result.residual! };
    return quantizedMatMul(result.quantized, weights, {
      ...given,
      ...branch,
    }).dataSync<'float32'>();
  };
}

/** How many programs something has run. */
function programsOf(run: () => void): number {
  const { device } = currentBackend<WebgpuBackend>();
  const { createCommandEncoder } = device;
  let count = 0;
  device.createCommandEncoder = (descriptor) => {
    const encoder = createCommandEncoder.call(device, descriptor);
    const begin = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (given) => {
      const pass = begin(given);
      const dispatch = pass.dispatchWorkgroups.bind(pass);
      pass.dispatchWorkgroups = (...groups) => {
        count++;
        dispatch(...groups);
      };
      return pass;
    };
    return encoder;
  };
  try {
    run();
  } finally {
    device.createCommandEncoder = createCommandEncoder;
  }
  return count;
}

function expectNear(got: tf.Tensor, wanted: tf.Tensor, within: number): void {
  const [a, b] = [got.dataSync(), wanted.dataSync()];
  const far = a.findIndex((v, i) => !(Math.abs(v - b[i]!) <= within));
  expect(far, `${a[far]} for ${b[far]} ± ${within}`).to.equal(-1);
}
