import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { asInputs } from '../common/kernel.js';
import { type WebgpuKernelArgs, webgpuKernel } from '../webgpu/kernel.js';
import type { Question } from '../webgpu/knownAnswers.js';
import type { Built, Shader } from '../webgpu/shader.js';
import { FINITE_WGSL, floatBits, QUOTIENT_WGSL } from '../webgpu/wgsl.js';
import { layerNormOp } from './composite.js';
import { type LayerNormAttrs, type LayerNormInputs, rowsPerModulation } from './contract.js';

type Args = WebgpuKernelArgs<LayerNormInputs, LayerNormAttrs>;

/** A workgroup for each row: its mean, its variance, and one pass that writes. */
export const layerNormWebgpu = webgpuKernel<LayerNormInputs, LayerNormAttrs>(layerNormOp, {
  run: layerNormOnWebgpu,
  question,
});

function layerNormOnWebgpu({ inputs, attrs, webgpu }: Args): TensorInfo {
  const { x, gamma, beta, factor, shift } = inputs;
  const d = x.shape[x.shape.length - 1]!;
  const rows = util.sizeFromShape(x.shape) / d;
  const out = webgpu.make(x.shape);
  const width = d % 4 === 0 ? 4 : 1;
  const spec: LayerNormSpec = {
    width,
    invocations: d / width > 64 ? 128 : 32,
    center: attrs.center,
    gamma: gamma !== undefined,
    beta: beta !== undefined,
    factor: factor !== undefined,
    shift: shift !== undefined,
  };
  webgpu.run(layerNormShader, spec, {
    reads: [x, gamma, beta, factor, shift].filter((one) => one !== undefined),
    writes: [out],
    sizes: [
      ...[rows, d / width, floatBits(attrs.epsilon)],
      ...[rowsPerModulation(x, factor), rowsPerModulation(x, shift)],
    ],
    groups: rows,
  });
  return out;
}

/** What tells the programs apart. */
interface LayerNormSpec {
  readonly [field: string]: number | boolean;
  readonly width: 1 | 4; // channels of a vector
  readonly invocations: number;
  readonly center: boolean;
  readonly gamma: boolean;
  readonly beta: boolean;
  readonly factor: boolean;
  readonly shift: boolean;
}

/** A row is read three times, from memory once: it stays in the processor's cache. */
const layerNormShader: Shader<LayerNormSpec> = {
  name: 'ModulatedLayerNorm',
  build: buildLayerNorm,
};

function buildLayerNorm(spec: LayerNormSpec): Built {
  const { width, invocations, center } = spec;
  const type = width === 4 ? 'vec4<f32>' : 'f32';
  const given = (['gamma', 'beta', 'factor', 'shift'] as const).filter((name) => spec[name]);
  const whole = (v: string) => (width === 4 ? `dot(${v}, vec4<f32>(1f))` : v);
  const square = width === 4 ? 'dot(v, v)' : 'v * v';
  return {
    reads: Object.fromEntries(['x', ...given].map((name) => [name, type])),
    writes: { y: type },
    sizes: ['rows', 'columns', 'epsilon', 'perFactor', 'perShift'],
    invocations,
    workgroupBytes: 4 * invocations,
    code: `${FINITE_WGSL}${QUOTIENT_WGSL}
var<workgroup> parts: array<f32, ${invocations}>;
fn meanOf(lid: u32, part: f32) -> f32 {
  parts[lid] = part;
  workgroupBarrier();
  for (var half = ${invocations / 2}u; half > 0u; half /= 2u) {
    if (lid < half) { parts[lid] += parts[lid + half]; }
    workgroupBarrier();
  }
  let sum = parts[0];
  workgroupBarrier();
  // exact, so that equal numbers have no variance
  return quotient(sum, f32(${width}u * sizes.columns));
}
fn run(lid: u32, group: u32) {
  if (group >= sizes.rows) { return; }
  let first = group * sizes.columns;
  var mean = 0f;
  ${
    center
      ? `
  var sum = 0f;
  for (var c = lid; c < sizes.columns; c += ${invocations}u) { sum += ${whole('x[first + c]')}; }
  mean = meanOf(lid, sum);`
      : ''
  }
  var squares = 0f;
  for (var c = lid; c < sizes.columns; c += ${invocations}u) {
    let v = x[first + c] - mean;
    squares += ${square};
  }
  let inverse = 1f / sqrt(meanOf(lid, squares) + bitcast<f32>(sizes.epsilon));
  for (var c = lid; c < sizes.columns; c += ${invocations}u) {
    var v = (x[first + c] - mean) * inverse;
    ${spec.gamma ? 'v *= gamma[c];' : ''}
    ${spec.beta ? 'v += beta[c];' : ''}
    ${spec.factor ? 'v *= factor[(group / sizes.perFactor) * sizes.columns + c];' : ''}
    ${spec.shift ? 'v += shift[(group / sizes.perShift) * sizes.columns + c];' : ''}
    y[first + c] = v;
  }
}`,
  };
}

/** Rows that are a row's number ± 1 by turns: normalized they are ± 1. */
function question(webgpu: Parameters<Question>[0]) {
  const rows = 3;
  return [40, 30].map((d) => {
    const sign = (i: number) => (i % 2 === 0 ? 1 : -1);
    const row = (value: number, shape: number[] = [d]) =>
      webgpu.track(
        webgpu.backend.makeTensorInfo(shape, 'float32', new Float32Array(d).fill(value)),
      );
    const values = Float32Array.from(
      { length: rows * d },
      (_, i) => Math.floor(i / d) + sign(i % d),
    );
    const x = webgpu.track(webgpu.backend.makeTensorInfo([rows, d], 'float32', values));
    const inputs = asInputs<LayerNormInputs>({
      ...{ x, gamma: row(2), beta: row(1), factor: row(3, [1, d]), shift: row(5, [1, d]) },
    });
    const attrs = { epsilon: 0, center: true };
    const got = layerNormOnWebgpu({ inputs, attrs, webgpu });
    const wanted = values.map((_, i) => (2 * sign(i % d) + 1) * 3 + 5);
    return { got, wanted, within: 1e-3 };
  });
}
