import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { deferredOf, fulfil } from '../webgpu/deferred.js';
import { type WebgpuKernelArgs, webgpuKernel } from '../webgpu/kernel.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import type { Built, Shader } from '../webgpu/shader.js';
import { FINITE_WGSL, floatBits, QUOTIENT_WGSL, sumWgsl } from '../webgpu/wgsl.js';
import { layerNormOp } from './composite.js';
import { type LayerNormAttrs, type LayerNormInputs, rowsPerModulation } from './contract.js';
import { layerNormQuestion } from './webgpuQuestion.js';

type Args = WebgpuKernelArgs<LayerNormInputs, LayerNormAttrs>;

/**
 * A workgroup for each row: its mean, its variance, and one pass that writes. A residual that is
 * deferred is added up on the way, for others too; rows of a modulation that wait are read where
 * they are.
 */
export const layerNormWebgpu = webgpuKernel<LayerNormInputs, LayerNormAttrs>(layerNormOp, {
  run: layerNormOnWebgpu,
  question: layerNormQuestion(layerNormOnWebgpu),
});

function layerNormOnWebgpu({ inputs, attrs, webgpu }: Args): TensorInfo {
  const { x, gamma, beta } = inputs;
  const d = x.shape[x.shape.length - 1]!;
  const rows = util.sizeFromShape(x.shape) / d;
  const out = webgpu.make(x.shape);
  const width = d % 4 === 0 ? 4 : 1;
  const residual = residualOf(webgpu, inputs);
  const factor = factorOf(webgpu, inputs.factor, d);
  const [shift, gate] = [inputs.shift, residual?.gate].map((rows) => rowsOf(webgpu, rows, d));
  const spec: LayerNormSpec = {
    width,
    invocations: d / width > 64 ? 128 : 32,
    center: attrs.center,
    residual: residual !== null,
    gamma: gamma !== undefined,
    beta: beta !== undefined,
    factor: inputs.factor !== undefined,
    shift: inputs.shift !== undefined,
  };
  const sum = residual && webgpu.make(x.shape);
  const given = residual === null ? [x] : [residual.x, residual.branch, gate!.info];
  const vectors = [factor, shift, gate].flatMap((one) => [
    (one?.at ?? 0) / width,
    (one?.stride ?? d) / width,
  ]);
  const all = [...given, gamma, beta, factor?.info, shift?.info];
  const reads = all.filter((one) => one !== undefined);
  // to make one of them may make what another is read through, and let that go
  webgpu.hold(reads);
  webgpu.run(layerNormShader, spec, {
    reads,
    writes: sum === null ? [out] : [out, sum],
    sizes: [
      ...[rows, d / width, floatBits(attrs.epsilon), floatBits(factor?.more ?? 0)],
      ...[rowsPerModulation(x, inputs.factor), rowsPerModulation(x, inputs.shift)],
      residual === null ? 1 : rowsPerModulation(residual.branch, residual.gate),
      ...vectors,
    ],
    groups: rows,
  });
  if (sum !== null) fulfil(webgpu.backend, x, webgpu.keep(sum));
  return out;
}

/** A residual that nobody has computed yet. */
interface Residual {
  readonly x: TensorInfo;
  readonly branch: TensorInfo;
  readonly gate: TensorInfo;
}

/** x as what it is the sum of; null where it is there, or a program cannot bind so many. */
function residualOf(
  { backend, limits }: WebgpuScope,
  { x, ...others }: LayerNormInputs,
): Residual | null {
  const sum = deferredOf(backend, x);
  if (sum?.kind !== 'sum') return null;
  const gated = deferredOf(backend, sum.operands[1]);
  const given = Object.values(others).filter((one) => one !== undefined).length;
  if (gated?.kind !== 'gated' || given + 5 > limits.maxStorageBuffersPerShaderStage) return null;
  const [branch, gate] = gated.operands;
  if (branch.shape.at(-1) !== x.shape.at(-1)) return null;
  return { x: sum.operands[0], branch, gate };
}

/** Rows of d channels: where they are in a tensor that is there. */
interface Rows {
  readonly info: TensorInfo;
  readonly at: number;
  readonly stride: number;
}

/** What rows are a part of, without making that part; else the rows themselves. */
function rowsOf(webgpu: WebgpuScope, rows: TensorInfo | undefined, d: number): Rows | undefined {
  if (rows === undefined) return undefined;
  const deferred = deferredOf(webgpu.backend, rows);
  if (deferred?.kind === 'part' && deferred.width === d) {
    const { at, stride } = deferred;
    return { info: deferred.operands[0], at, stride };
  }
  return { info: rows, at: 0, stride: d };
}

/** The program adds a number to the factor, and to nothing else. */
function factorOf(
  webgpu: WebgpuScope,
  rows: TensorInfo | undefined,
  d: number,
): (Rows & { readonly more: number }) | undefined {
  if (rows === undefined) return undefined;
  const deferred = deferredOf(webgpu.backend, rows);
  if (deferred?.kind !== 'more') return { ...rowsOf(webgpu, rows, d)!, more: 0 };
  return { ...rowsOf(webgpu, deferred.operands[0], d)!, more: deferred.more };
}

/** What tells the programs apart. */
interface LayerNormSpec {
  readonly [field: string]: number | boolean;
  readonly width: 1 | 4; // channels of a vector
  readonly invocations: number;
  readonly center: boolean;
  readonly residual: boolean; // x + branch · gate is in the place of x, and written
  readonly gamma: boolean;
  readonly beta: boolean;
  readonly factor: boolean;
  readonly shift: boolean;
}

/**
 * A row is read three times, from memory once: it stays in the processor's cache. An invocation
 * reads the sums that it wrote.
 */
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
  const row = spec.residual ? 'sums' : 'x';
  const read = ['x', ...(spec.residual ? ['branch', 'gate'] : []), ...given];
  return {
    reads: Object.fromEntries(read.map((name) => [name, type])),
    writes: { y: type, ...(spec.residual ? { sums: type } : {}) },
    sizes: [
      ...['rows', 'columns', 'epsilon', 'more', 'perFactor', 'perShift', 'perGate'],
      ...['factorAt', 'factorStride', 'shiftAt', 'shiftStride', 'gateAt', 'gateStride'],
    ],
    invocations,
    workgroupBytes: 4 * invocations,
    code: `${FINITE_WGSL}${QUOTIENT_WGSL}
var<workgroup> parts: array<f32, ${invocations}>;
fn meanOf(lid: u32, part: f32) -> f32 {
  parts[lid] = part;
  ${sumWgsl('parts', invocations)}
  let sum = parts[0];
  workgroupBarrier();
  // exact, so that equal numbers have no variance
  return quotient(sum, f32(${width}u * sizes.columns));
}
fn run(lid: u32, group: u32) {
  if (group >= sizes.rows) { return; }
  let first = group * sizes.columns;
  ${
    spec.residual
      ? `
  let gateAt = (group / sizes.perGate) * sizes.gateStride + sizes.gateAt;
  for (var c = lid; c < sizes.columns; c += ${invocations}u) {
    sums[first + c] = x[first + c] + branch[first + c] * gate[gateAt + c];
  }`
      : ''
  }
  var mean = 0f;
  ${
    center
      ? `
  var sum = 0f;
  for (var c = lid; c < sizes.columns; c += ${invocations}u) {
    sum += ${whole(`${row}[first + c]`)};
  }
  mean = meanOf(lid, sum);`
      : ''
  }
  var squares = 0f;
  for (var c = lid; c < sizes.columns; c += ${invocations}u) {
    let v = ${row}[first + c] - mean;
    squares += ${square};
  }
  let inverse = 1f / sqrt(meanOf(lid, squares) + bitcast<f32>(sizes.epsilon));
  let more = bitcast<f32>(sizes.more);
  let factorAt = (group / sizes.perFactor) * sizes.factorStride + sizes.factorAt;
  let shiftAt = (group / sizes.perShift) * sizes.shiftStride + sizes.shiftAt;
  for (var c = lid; c < sizes.columns; c += ${invocations}u) {
    var v = (${row}[first + c] - mean) * inverse;
    ${spec.gamma ? 'v *= gamma[c];' : ''}
    ${spec.beta ? 'v += beta[c];' : ''}
    ${spec.factor ? 'v *= factor[factorAt + c] + more;' : ''}
    ${spec.shift ? 'v += shift[shiftAt + c];' : ''}
    y[first + c] = v;
  }
}`,
  };
}
