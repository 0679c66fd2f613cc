import type { TensorInfo } from '@tensorflow/tfjs-core';
import { asInputs } from '../common/kernel.js';
import type { WebgpuKernelArgs } from '../webgpu/kernel.js';
import type { Question } from '../webgpu/knownAnswers.js';
import type { HadaNormQuantizeAttrs, HadaNormQuantizeInputs } from './contract.js';

type Run = (args: WebgpuKernelArgs<HadaNormQuantizeInputs, HadaNormQuantizeAttrs>) => TensorInfo[];

const [TOKENS, D] = [5, 64];

/**
 * One channel stands out by 2^11 · t in token t: rotated it is ±2^8 · t everywhere, with the signs
 * of a row of H, less the mean over the tokens. All are whole numbers, so every code is known.
 */
export function quantizeQuestion(run: Run): Question {
  return (webgpu) => {
    const channel = 37;
    const values = new Float32Array(TOKENS * D);
    for (let t = 0; t < TOKENS; t++) values[t * D + channel] = 2048 * t;
    const x = webgpu.track(webgpu.backend.makeTensorInfo([TOKENS, D], 'float32', values));
    const granularity = { kind: 'perGroup', axis: 1, groupSize: D } as const;
    const attrs: HadaNormQuantizeAttrs = {
      format: { kind: 'uniform', bits: 8, codes: 'symmetric', granularity },
      range: null,
      center: 'dynamic',
      blockSize: D,
    };
    // parts that change nothing: no scale, no origin, a direction without a length
    const vector = (value: number, shape: number[]) => {
      const filled = new Float32Array(shape.reduce((size, length) => size * length)).fill(value);
      return webgpu.track(webgpu.backend.makeTensorInfo(shape, 'float32', filled));
    };
    const [scales, mean, basis] = [vector(1, [D]), vector(0, [D]), vector(0, [3, D])];
    const inputs = asInputs<HadaNormQuantizeInputs>({ x, scale: scales, mean, basis });
    const [codes, scale, zeroPoint, residual] = run({ inputs, attrs, webgpu });
    const sign = (j: number) => (parity(channel & j) ? -1 : 1);
    const rotated = (t: number, j: number) => 256 * (t - 2) * sign(j);
    const each = (make: (t: number, j: number) => number) =>
      Float32Array.from({ length: TOKENS * D }, (_, i) => make(Math.floor(i / D), i % D));
    const tops = Float32Array.from({ length: TOKENS }, (_, t) => 256 * Math.abs(t - 2));
    return [
      { got: codes!, wanted: each((t, j) => 128 + 127 * Math.sign(rotated(t, j))) },
      { got: zeroPoint!, wanted: new Float32Array(TOKENS).fill(128) },
      { got: scale!, wanted: tops.map((top) => Math.max(top / 127, 2 ** -120)), within: 1e-4 },
      { got: residual!, wanted: Float32Array.from({ length: D }, (_, j) => 512 * sign(j)) },
    ];
  };
}

function parity(bits: number): boolean {
  let odd = false;
  for (let left = bits; left > 0; left >>= 1) if ((left & 1) === 1) odd = !odd;
  return odd;
}
