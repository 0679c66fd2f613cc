import type { TensorInfo } from '@tensorflow/tfjs-core';
import { asInputs } from '../common/kernel.js';
import { packCodes } from '../numerics/packing.js';
import type { WebgpuKernelArgs } from '../webgpu/kernel.js';
import type { Question } from '../webgpu/knownAnswers.js';
import type { QuantizedMatMulAttrs, QuantizedMatMulInputs } from './contract.js';

type Run = (args: WebgpuKernelArgs<QuantizedMatMulInputs, QuantizedMatMulAttrs>) => TensorInfo;

const [ROWS, D, N] = [36, 128, 40];

/**
 * Integers by integers, with scales that are powers of two: whoever multiplies rightly gives these
 * very numbers. Bits of weights and activations as linears have them, groups, and directions that
 * are read in vectors and one by one, with a fine row.
 */
export function productQuestion(run: Run): Question {
  return (webgpu) => [
    ask(run, webgpu, { bits: 4, groupSize: 64, rank: 4, hasBasis: true }),
    ask(run, webgpu, { bits: 8, groupSize: D, rank: 3, hasBasis: false }),
  ];
}

interface Asked {
  readonly bits: number;
  readonly groupSize: number;
  readonly rank: number;
  readonly hasBasis: boolean;
}

function ask(
  run: Run,
  webgpu: Parameters<Question>[0],
  { bits, groupSize, rank, hasBasis }: Asked,
) {
  const { backend } = webgpu;
  const info = (shape: number[], dtype: 'float32' | 'int32' | 'bool', values: unknown) =>
    webgpu.track(backend.makeTensorInfo(shape, dtype, values));
  const x = Int32Array.from({ length: ROWS * D }, (_, i) => (i * 7919) % 256);
  const zeroPoint = Float32Array.from({ length: ROWS }, (_, i) => (i * 37) % 256);
  const range = 2 ** bits;
  const codes = Int8Array.from({ length: D * N }, (_, i) => ((i * 7907) % range) - range / 2);
  const groups = D / groupSize;
  const scale = Float32Array.from({ length: groups * N }, (_, i) => 2 ** -((i % 3) + 8));
  const along = Float32Array.from({ length: ROWS * rank }, (_, i) => ((i * 31) % 17) - 8);
  const factors = Float32Array.from({ length: (rank + 1) * N }, (_, i) => ((i * 53) % 255) - 127);
  const steps = Float32Array.from({ length: rank + 1 }, (_, i) => (i < rank ? 0.5 : 2 ** -7));
  const residual = Float32Array.from({ length: D }, (_, i) => ((i * 13) % 7) - 3);
  const bias = Float32Array.from({ length: N }, (_, i) => (i % 5) - 2);
  const coefficients = Float32Array.of(3, -2);
  const basisScale = Float32Array.of(1, 0.5, 2 ** -4);
  const weights = { kind: 'uniform', bits, codes: 'signed' } as const;
  const activations = { kind: 'uniform', bits: 8, codes: 'unsigned' } as const;
  const inputs = {
    x: info([ROWS, D], 'int32', x),
    xScale: info([ROWS, 1], 'float32', new Float32Array(ROWS).fill(0.5)),
    xZeroPoint: info([ROWS, 1], 'float32', zeroPoint),
    codes: info([(bits / 8) * D * N], 'bool', packCodes(codes, D, N, bits)),
    scale: info([groups, N], 'float32', scale),
    along: info([ROWS, rank], 'float32', along),
    directionWeights: info([rank + 1, N], 'float32', factors),
    directionScale: info([rank + 1], 'float32', steps),
    residual: info([1, D], 'float32', residual),
    bias: info([N], 'float32', bias),
    ...(hasBasis
      ? {
          coefficients: info([1, 2], 'float32', coefficients),
          basis: info([3, N], 'float32', factors.subarray(0, 3 * N)),
          basisScale: info([3], 'float32', basisScale),
        }
      : {}),
  };
  const attrs: QuantizedMatMulAttrs = {
    format: { ...weights, granularity: { kind: 'perGroup', axis: 0, groupSize } },
    xFormat: { ...activations, granularity: { kind: 'perGroup', axis: 1, groupSize: D } },
    ...{ d: D, n: N, activation: 'none' },
  };
  const wanted = new Float32Array(ROWS * N);
  for (let i = 0; i < wanted.length; i++) {
    const [row, j] = [Math.floor(i / N), i % N];
    for (let k = 0; k < D; k++) {
      const factor = 0.5 * scale[Math.floor(k / groupSize) * N + j]!;
      const value = x[row * D + k]! - zeroPoint[row]! + 2 * residual[k]!;
      wanted[i]! += value * codes[k * N + j]! * factor;
    }
    wanted[i]! += bias[j]!;
    for (let r = 0; hasBasis && r < 3; r++) {
      wanted[i]! += coefficients[r % 2]! * factors[r * N + j]! * basisScale[r]!;
    }
    for (let r = 0; r <= rank; r++) {
      wanted[i]! += along[row * rank + (r % rank)]! * factors[r * N + j]! * steps[r]!;
    }
  }
  const got = run({ inputs: asInputs<QuantizedMatMulInputs>(inputs), attrs, webgpu });
  return { got, wanted };
}
