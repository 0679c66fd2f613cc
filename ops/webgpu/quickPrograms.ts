import { env, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { BoundedMap } from '../numerics/boundedMap.js';
import type { WebgpuBackend } from './backend.js';
import { bindGroupOf, recordRun } from './dispatch.js';
import { QUICK_FLAG } from './flag.js';

/** A number, or some, that tfjs hands to a program. */
interface Uniform {
  readonly type: string;
  data: number[];
}

/** What tfjs-backend-webgpu 4.22 knows of a program that it is about to record. */
interface Program {
  readonly outputShape: readonly number[];
  readonly outputComponent?: number;
  readonly pixelsOpType?: unknown;
  readonly size?: unknown;
  readonly pipeline: GPUComputePipeline | Promise<GPUComputePipeline>;
  readonly dispatch: readonly [number, number, number];
}

/** The parts of its backend that record programs. */
export interface RecordingBackend extends WebgpuBackend {
  recordAndSubmit(
    program: Program,
    output: TensorInfo,
    inputs: readonly TensorInfo[],
    uniforms?: readonly Uniform[],
  ): void;
  makeUniforms(uniforms: readonly Uniform[]): { readonly buffer: GPUBuffer };
  /** Released when what is recorded is submitted. */
  readonly uniformPendingDisposal: GPUBuffer[];
}

const MOST_UNIFORMS = 2048;

/**
 * Makes tfjs's own programs cost less: most of the 40 to 50 µs of one goes to a buffer of uniforms
 * and a bind group, made anew at each call. Here they are made once and found again, by what they
 * hold. What is recorded, in which order, and when it is submitted is the same.
 */
export function quickenPrograms(backend: RecordingBackend): void {
  const { recordAndSubmit } = backend;
  if (recordAndSubmit === undefined || backend.makeUniforms === undefined) return;
  const buffers = new BoundedMap<string, GPUBuffer>(
    MOST_UNIFORMS,
    () => 1,
    // programs that wait to be submitted read it
    (buffer) => backend.uniformPendingDisposal.push(buffer),
  );
  backend.recordAndSubmit = (program, output, inputs, own = []) => {
    const bound = [output, ...inputs].map(({ dataId }) => backend.tensorMap.get(dataId).resource);
    const quick =
      env().getBool(QUICK_FLAG) &&
      program.pixelsOpType == null &&
      !(program.pipeline instanceof Promise) &&
      bound.every((resource) => resource instanceof GPUBuffer);
    if (!quick) {
      recordAndSubmit.call(backend, program, output, inputs, own);
      return;
    }
    const uniforms = uniformsOf(program, output, inputs, own);
    const sizes = buffers.get(keyOf(uniforms), () => madeUniforms(backend, uniforms));
    const pipeline = program.pipeline as GPUComputePipeline;
    const group = bindGroupOf(backend, pipeline, [...(bound as GPUBuffer[]), sizes]);
    for (const { dataId } of [output, ...inputs]) backend.commandQueueOwnedIds.add(dataId);
    const { name } = program.constructor;
    recordRun(backend, { name, pipeline, group, workgroups: program.dispatch });
  };
}

/** As tfjs's recordAndSubmit lists them. */
function uniformsOf(
  { size, outputShape, outputComponent = 1 }: Program,
  output: TensorInfo,
  inputs: readonly TensorInfo[],
  own: readonly Uniform[],
): Uniform[] {
  const uniforms: Uniform[] = [
    { type: 'float32', data: [Number.NaN] },
    { type: 'float32', data: [Number.POSITIVE_INFINITY] },
  ];
  for (const { shape } of [...inputs, output]) {
    uniforms.push({ type: 'int32', data: shape });
    uniforms.push({ type: 'int32', data: util.computeStrides(shape) });
  }
  if (size) {
    const total = util.sizeFromShape([...outputShape]);
    uniforms.push({ type: 'int32', data: [total / (outputComponent || 1)] });
  }
  return [...uniforms, ...own];
}

/** Equal keys: equal bytes. */
function keyOf(uniforms: readonly Uniform[]): string {
  let key = '';
  for (const { type, data } of uniforms) {
    key += type;
    // a NaN has bits that text does not show: tfjs has the one alone
    for (const value of data) key += Object.is(value, -0) ? ' -0' : ` ${value}`;
  }
  return key;
}

/** A buffer that is not released when tfjs submits. */
function madeUniforms(backend: RecordingBackend, uniforms: readonly Uniform[]): GPUBuffer {
  const { buffer } = backend.makeUniforms(uniforms);
  backend.uniformPendingDisposal.pop();
  return buffer;
}
