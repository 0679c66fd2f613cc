import type { TensorInfo } from '@tensorflow/tfjs-core';
import { asInputs } from '../common/kernel.js';
import { defer } from '../webgpu/deferred.js';
import type { WebgpuKernelArgs } from '../webgpu/kernel.js';
import type { Answer, Question } from '../webgpu/knownAnswers.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import type { LayerNormAttrs, LayerNormInputs } from './contract.js';

type Run = (args: WebgpuKernelArgs<LayerNormInputs, LayerNormAttrs>) => TensorInfo;

const ROWS = 3;

/**
 * Rows that are a row's number ± 1 by turns: normalized they are ± 1. Given as they are, and as
 * sums that nobody has computed, under rows of which that is so too.
 */
export function layerNormQuestion(run: Run): Question {
  return (webgpu) =>
    [40, 30].flatMap((d) => [...ask(run, webgpu, d), ...askPutOff(run, webgpu, d)]);
}

function ask(run: Run, webgpu: WebgpuScope, d: number): Answer[] {
  const wanted = numbers(d, (_, sign) => (2 * sign + 1) * 3 + 5);
  const x = tensor(webgpu, [ROWS, d], numbers(d, plusSign));
  const inputs = asInputs<LayerNormInputs>({ x, ...rowsOf(webgpu, d) });
  const got = run({ inputs, attrs: { epsilon: 0, center: true }, webgpu });
  return [{ got, wanted, within: 1e-3 }];
}

function askPutOff(run: Run, webgpu: WebgpuScope, d: number): Answer[] {
  // 0 and 3, or 5 and 3: the second half of columns counts
  const halves = (first: number) =>
    tensor(webgpu, [1, 2 * d], new Float32Array(2 * d).fill(first, 0, d).fill(3, d));
  const put = (deferred: Parameters<typeof defer>[2], shape: number[]) =>
    webgpu.track(defer(webgpu.backend, shape, deferred, unasked));
  const x = tensor(
    webgpu,
    [ROWS, d],
    numbers(d, (row) => row),
  );
  const branch = tensor(
    webgpu,
    [ROWS, d],
    numbers(d, (_, sign) => 2 * sign),
  );
  const gate = tensor(webgpu, [1, d], new Float32Array(d).fill(0.5));
  const gated = put({ kind: 'gated', operands: [branch, gate] }, [ROWS, d]);
  const sum = put({ kind: 'sum', operands: [x, gated] }, [ROWS, d]);
  const place = { kind: 'part', at: d, width: d, stride: 2 * d } as const;
  const factor = put({ ...place, operands: [halves(0)] }, [1, d]);
  const shift = put({ ...place, operands: [halves(5)] }, [1, d]);
  const four = put({ kind: 'more', operands: [factor, gate], more: 1 }, [1, d]);
  const inputs = asInputs<LayerNormInputs>({ x: sum, factor: four, shift });
  const got = run({ inputs, attrs: { epsilon: 0, center: true }, webgpu });
  return [
    { got, wanted: numbers(d, (_, sign) => 4 * sign + 3), within: 1e-3 },
    { got: sum, wanted: numbers(d, plusSign) },
  ];
}

function unasked(): never {
  throw new Error('a layer norm computes what it reads twice');
}

function rowsOf(webgpu: WebgpuScope, d: number) {
  const row = (value: number, shape: number[]) =>
    tensor(webgpu, shape, new Float32Array(d).fill(value));
  return {
    ...{ gamma: row(2, [d]), beta: row(1, [d]) },
    ...{ factor: row(3, [1, d]), shift: row(5, [1, d]) },
  };
}

function tensor(webgpu: WebgpuScope, shape: number[], values: Float32Array): TensorInfo {
  return webgpu.track(webgpu.backend.makeTensorInfo(shape, 'float32', values));
}

function numbers(d: number, make: (row: number, sign: number) => number): Float32Array {
  return Float32Array.from({ length: ROWS * d }, (_, i) =>
    make(Math.floor(i / d), (i % d) % 2 === 0 ? 1 : -1),
  );
}

function plusSign(row: number, sign: number): number {
  return row + sign;
}
