import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { currentBackend, kernelKind } from '../../../ops/common/kernel.js';
import { packCodes } from '../../../ops/numerics/packing.js';
import { findAttached } from '../../../ops/webgpu/attached.js';
import type { WebgpuBackend } from '../../../ops/webgpu/backend.js';
import { hasWords } from '../../../ops/webgpu/codes.js';
import { compiledSources } from '../../../ops/webgpu/dispatch.js';
import { DOT4_FLAG } from '../../../ops/webgpu/flag.js';
import { whyUnused } from '../../../ops/webgpu/knownAnswers.js';
import {
  channelCenter,
  fakeQuant,
  hadamardTransform,
  hadaNormQuantize,
  quantizedMatMul,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { normal, uniform } from '../../harness/numbers/random.js';
import { dequantized } from '../../harness/ops/quantizedActivations.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const OPS = [
  'HadamardTransform',
  'ChannelCenter',
  'FakeQuant',
  'HadaNormQuantize',
  'QuantizedMatMul',
  'ScaledDotProductAttention',
  'ModulatedLayerNorm',
];

/** Sizes of a product of several tiles, with ragged edges. */
const [M, D, N] = [70, 192, 68];

describeOnBackends('WebGPU kernels', (backendName) => {
  if (backendName !== 'webgpu') return;
  const backend = () => currentBackend<WebgpuBackend>();

  it('every kernel gave the known answers on this adapter, and is used', () => {
    for (const op of OPS) {
      expect(kernelKind(op, 'webgpu'), op).to.equal('own');
      expect(whyUnused(backend(), op), op).to.equal(null);
    }
  });

  it('numbers cast from int32 and bool share their memory, and are floats to every kernel', () => {
    const ints = Array.from({ length: 5 * 24 }, (_, i) => ((i * 37) % 11) - 3);
    const shape: [number, number] = [5, 24];
    const mean = Array.from({ length: 24 }, (_, i) => i % 5);
    const cast = (x: tf.Tensor) => tf.cast(x, 'float32');
    const all = (x: tf.Tensor, m: tf.Tensor, mask: tf.Tensor) => [
      ...[hadamardTransform(x), hadamardTransform(x, { blockSize: 1 }), fakeQuant(x, { bits: 4 })],
      ...Object.values(channelCenter(x, { mean: m })),
      ...Object.values(channelCenter(x, { mask })),
      dequantized(hadaNormQuantize(x, { mask }).quantized),
      quantizedMatMul(x, packedWeights(24, 8, 8, 24)),
    ];
    expectNoLeak(() =>
      tf.tidy(() => {
        const flags = ints.slice(0, 5).map((value) => value & 1);
        const given = all(tf.tensor2d(ints, shape), tf.tensor1d(mean), tf.tensor1d(flags));
        const shared = all(
          cast(tf.tensor2d(ints, shape, 'int32')),
          cast(tf.reshape(tf.tensor1d(mean, 'int32'), [1, 24])),
          cast(tf.tensor1d(flags, 'bool')),
        );
        shared.forEach((got, i) => {
          expect(got.dataSync(), `result ${i}`).to.deep.equal(given[i]!.dataSync());
        });
      }),
    );
  });

  it('codes lie on the GPU as words alone, until somebody looks', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const x = tf.tensor2d(normal(5 * 24, 1), [5, 24]);
        const { quantized } = hadaNormQuantize(x, { bits: 8 });
        const { codes } = quantized;
        expect(hasWords(backend(), codes, 8)).to.equal(true);
        const values = codes.dataSync();
        const packed = tf.tensor2d([...values], [5, 24], 'int32');
        const weights = packedWeights(24, 8, 8, 24);
        const same = quantizedMatMul({ ...quantized, codes: packed }, weights).dataSync();
        expect(quantizedMatMul(quantized, weights).dataSync()).to.deep.equal(same);
      }),
    );
  });

  for (const bits of [4, 8]) {
    it(`${bits} bits: emulated dot products give the same numbers to the bit`, () => {
      tf.tidy(() => {
        const { quantized } = hadaNormQuantize(tf.tensor2d(normal(M * D, 1), [M, D]));
        const weights = packedWeights(D, N, bits, bits === 4 ? 64 : D);
        const own = quantizedMatMul(quantized, weights).dataSync().slice();
        tf.env().set(DOT4_FLAG, false);
        try {
          expect(quantizedMatMul(quantized, weights).dataSync()).to.deep.equal(own);
        } finally {
          tf.env().set(DOT4_FLAG, true);
        }
      });
    });

    it(`${bits} bits: weights are packed once, and go with the codes`, () => {
      expectNoLeak(() =>
        tf.tidy(() => {
          const { quantized } = hadaNormQuantize(tf.tensor2d(normal(M * D, 1), [M, D]));
          const weights = packedWeights(D, N, bits, 64);
          const ids = tf.backend().numDataIds();
          const y = quantizedMatMul(quantized, weights);
          // the result and the packed weights
          expect(tf.backend().numDataIds()).to.equal(ids + 2);
          const again = quantizedMatMul(quantized, weights);
          expect(tf.backend().numDataIds()).to.equal(ids + 3);
          expect(again.dataSync()).to.deep.equal(y.dataSync());
          const data = backend().tensorMap.get(weights.codes.dataId);
          expect(data.resource ?? null, 'the codes as files have them').to.equal(null);
        }),
      );
    });
  }

  for (const [d, groupSize, bits] of [
    [320, 64, 4],
    [576, 64, 4],
    [576, 576, 8],
  ] as const) {
    it(`${d} channels, ${bits} bits in groups of ${groupSize}: no step is left out`, () => {
      tf.tidy(() => {
        const { quantized } = hadaNormQuantize(tf.tensor2d(normal(9 * d, 1), [9, d]));
        const weights = packedWeights(d, N, bits, groupSize);
        const inTurn = quantizedMatMul(quantized, weights);
        const floats = quantizedMatMul(dequantized(quantized), weights);
        const far = tf.max(tf.abs(tf.sub(inTurn, floats))).dataSync()[0]!;
        expect(far / tf.max(tf.abs(floats)).dataSync()[0]!).to.be.at.most(1e-5);
      });
    });
  }

  it('rows that workgroup memory does not hold give the codes of the chain of ops', () => {
    tf.tidy(() => {
      const d = 15360;
      const x = tf.tensor2d(normal(2 * d, 3), [2, d]);
      const { quantized, residual } = hadaNormQuantize(x, { bits: 8 });
      const mean = tf.mean(x, 0, true);
      const rotated = hadamardTransform(tf.sub(x, mean)).dataSync();
      const [q, s, z] = [quantized.codes, quantized.scale, quantized.zeroPoint].map((t) =>
        t.dataSync(),
      );
      rotated.forEach((v, i) => {
        const row = Math.floor(i / d);
        const got = (q![i]! - z![row]!) * s![row]!;
        expect(Math.abs(got - v), `${i}`).to.be.at.most(0.51 * s![row]! + 1e-4);
      });
      const off = hadamardTransform(mean).dataSync();
      residual!.dataSync().forEach((v, i) => {
        expect(v).to.be.closeTo(off[i]!, 1e-4);
      });
    });
  });

  for (const [rows, d] of [
    [264, 2],
    [264, 16],
    [265, 4],
    [1056, 4],
    [1057, 8],
  ] as const) {
    it(`${rows} rows of ${d} channels have each its own range`, () => {
      const values = normal(rows * d, d).map((value, i) => value * (1 + (Math.floor(i / d) % 7)));
      tf.tidy(() => {
        const x = tf.tensor2d(values, [rows, d]);
        const back = dequantized(hadaNormQuantize(x, { bits: 8, center: 'none' }).quantized);
        const rotated = hadamardTransform(x);
        const steps = tf.max(tf.abs(rotated), 1, true).mul(2 / 255);
        const error = tf.max(tf.abs(tf.sub(back, rotated)).div(steps));
        expect(error.dataSync()[0], 'in steps').to.be.below(0.6);
      });
    });
  }

  it('more groups than workgroup memory has room for go the way of the chain of ops', () => {
    const values = normal(3 * 9216, 8);
    tf.tidy(() => {
      const x = tf.tensor2d(values, [3, 9216]);
      const options = { bits: 4, groupSize: 4, blockSize: 0, center: 'none' } as const;
      const back = dequantized(hadaNormQuantize(x, options).quantized);
      const error = tf.max(tf.abs(tf.sub(back, x)));
      const step = tf.max(tf.abs(x)).mul(2 / 15);
      expect(error.dataSync()[0]).to.be.below(0.6 * step.dataSync()[0]!);
    });
  });

  it('two sources with one key: there are none', () => {
    const sources = [...compiledSources(backend())];
    expect(sources.length).to.be.above(4);
    for (const [key] of sources) expect(key).to.match(/^\w+( \w+=[^ ]+)*$/);
  });

  it('what is attached to a tensor is found by its key alone', () => {
    tf.tidy(() => {
      const x = tf.tensor2d(normal(3 * 8, 1), [3, 8]);
      const { codes } = hadaNormQuantize(x).quantized;
      expect(findAttached(backend(), codes, 'another')).to.equal(undefined);
    });
  });
});

/** Random codes in groups. */
function packedWeights(d: number, n: number, bits: number, groupSize: number) {
  const next = uniform(d + n + bits);
  const half = 2 ** (bits - 1);
  const codes = Int8Array.from({ length: d * n }, () => Math.floor(next() * 2 * half) - half);
  const groups = Math.ceil(d / groupSize);
  return {
    codes: tf.tensor1d(packCodes(codes, d, n, bits), 'bool'),
    scale: tf.tensor2d(normal(groups * n, 5), [groups, n]),
    ...{ bits, groupSize, shape: [d, n] as const },
  };
}
