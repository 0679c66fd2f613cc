import type { TensorInfo } from '@tensorflow/tfjs-core';
import { asInputs } from '../common/kernel.js';
import type { WebgpuKernelArgs } from '../webgpu/kernel.js';
import type { Answer, Question } from '../webgpu/knownAnswers.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import type { HadaNormQuantizeAttrs, HadaNormQuantizeInputs } from './contract.js';

type Run = (args: WebgpuKernelArgs<HadaNormQuantizeInputs, HadaNormQuantizeAttrs>) => TensorInfo[];

const [TOKENS, D] = [5, 64];

/** The channel that stands out. */
const CHANNEL = 37;
/** Rotated channels that are directions, apart from the codes; a row of V is padded. */
const ALONG = [5, 9, 40, 41, 62] as const;

/**
 * One channel stands out by 2^11 · t in token t: rotated it is ±2^8 · t everywhere, with the signs
 * of a row of H, less the mean over the tokens. All are whole numbers, so every code is known.
 * Beside a basis without a length, which changes nothing, and beside directions.
 */
export function quantizeQuestion(run: Run): Question {
  return (webgpu) => [...ask(run, webgpu, false), ...ask(run, webgpu, true)];
}

function ask(run: Run, webgpu: WebgpuScope, beside: boolean): Answer[] {
  const info = (shape: number[], values: Float32Array) =>
    webgpu.track(webgpu.backend.makeTensorInfo(shape, 'float32', values));
  const values = new Float32Array(TOKENS * D);
  for (let t = 0; t < TOKENS; t++) values[t * D + CHANNEL] = 2048 * t;
  const directions = Float32Array.from({ length: D * ALONG.length }, (_, i) =>
    ALONG[i % ALONG.length] === Math.floor(i / ALONG.length) ? 1 : 0,
  );
  const vectors = beside
    ? { directions: info([D, ALONG.length], directions) }
    : { basis: info([3, D], new Float32Array(3 * D)) };
  const inputs = asInputs<HadaNormQuantizeInputs>({
    x: info([TOKENS, D], values),
    // parts that change nothing
    scale: info([D], new Float32Array(D).fill(1)),
    mean: info([D], new Float32Array(D)),
    ...vectors,
  });
  const granularity = { kind: 'perGroup', axis: 1, groupSize: D } as const;
  const attrs: HadaNormQuantizeAttrs = {
    format: { kind: 'uniform', bits: 8, codes: 'symmetric', granularity },
    ...{ range: null, center: 'dynamic', blockSize: D, subtract: beside },
  };
  const [codes, scale, zeroPoint, residual, last] = run({ inputs, attrs, webgpu });
  const answers = answersBeside(beside ? ALONG : []);
  return [
    { got: codes!, wanted: answers.codes },
    { got: zeroPoint!, wanted: new Float32Array(TOKENS).fill(128) },
    { got: scale!, wanted: answers.scale, within: 1e-4 },
    { got: residual!, wanted: answers.residual },
    { got: last!, wanted: beside ? answers.along : new Float32Array(3) },
  ];
}

/** What is right where some rotated channels go along directions. */
function answersBeside(along: readonly number[]) {
  const sign = (j: number) => (parity(CHANNEL & j) ? -1 : 1);
  const left = (j: number) => (along.includes(j) ? 0 : sign(j));
  const each = (columns: number, make: (t: number, j: number) => number) =>
    Float32Array.from({ length: TOKENS * columns }, (_, i) =>
      make(Math.floor(i / columns), i % columns),
    );
  return {
    codes: each(D, (t, j) => 128 + 127 * Math.sign((t - 2) * left(j))),
    scale: each(1, (t) => Math.max((256 * Math.abs(t - 2)) / 127, 2 ** -120)),
    residual: Float32Array.from({ length: D }, (_, j) => 512 * left(j)),
    along: each(along.length, (t, r) => 256 * t * sign(along[r]!)),
  };
}

function parity(bits: number): boolean {
  let odd = false;
  for (let left = bits; left > 0; left >>= 1) if ((left & 1) === 1) odd = !odd;
  return odd;
}
