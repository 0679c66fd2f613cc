import { env, type TensorInfo } from '@tensorflow/tfjs-core';
import { BoundedMap } from '../numerics/boundedMap.js';
import type { WebgpuBackend } from './backend.js';
import { type Built, type Shader, type Spec, shaderKey, sourceOf } from './shader.js';

/** A program, ready to be dispatched. */
interface Compiled {
  readonly built: Built;
  readonly pipeline: GPUComputePipeline;
}

/** What is made once for a backend: making it for each dispatch takes several times as long. */
interface Made {
  readonly programs: Map<string, Compiled>;
  /** By program and buffers. tfjs takes released buffers again, so that a step finds its own. */
  groups: BoundedMap<string, GPUBindGroup>;
  /** Uniform buffers by what they hold, which never changes. */
  readonly sizes: BoundedMap<string, GPUBuffer>;
}

const MOST_GROUPS = 4096;
const MOST_SIZES = 1024;

/** tfjs submits after so many programs in a pass, too. */
export const MOST_IN_PASS = 'WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE';

const madeFor = new WeakMap<WebgpuBackend, Made>();
const layouts = new WeakMap<GPUComputePipeline, GPUBindGroupLayout>();
const numbers = new WeakMap<object, number>();
let lastNumber = 0;

/** One run of a program. */
export interface Dispatch<S extends Spec> {
  readonly shader: Shader<S>;
  readonly spec: S;
  readonly reads: readonly (TensorInfo | GPUBuffer)[];
  readonly writes: readonly TensorInfo[];
  /** Values of the program's sizes, in their order. */
  readonly sizes: readonly number[];
  readonly groups: readonly [number, number, number];
}

/**
 * Records a run into tfjs's compute pass.
 *
 * Not by `runWebGPUProgram`, which gives one output and makes a uniform buffer and a bind group at
 * each call: that is most of the 40 µs that a program takes there. What is recorded, and when it is
 * submitted, is the same.
 */
export function dispatch<S extends Spec>(backend: WebgpuBackend, run: Dispatch<S>): void {
  const program = compiled(backend, run.shader, run.spec);
  const bound = [...run.writes, ...run.reads];
  // first all uploads, which may record and submit programs of their own
  for (const one of bound) if ('dataId' in one) backend.uploadToGPU(one.dataId);
  const buffers = bound.map((one) => bufferOf(backend, one));
  const { built, pipeline } = program;
  const sizes = built.sizes.length === 0 ? [] : [sizesBuffer(backend, run.sizes)];
  const group = bindGroupOf(backend, pipeline, [...buffers, ...sizes]);
  const { name } = run.shader;
  recordRun(backend, { name, pipeline, group, workgroups: run.groups });
}

/** A program with all that it is bound to. */
interface Run {
  /** What profiles call it. */
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** Records a run into tfjs's compute pass, and submits when tfjs would. */
export function recordRun(
  backend: WebgpuBackend,
  { name, pipeline, group, workgroups }: Run,
): void {
  const timed = backend.activeTimers != null;
  const pass = passOf(backend, timed);
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(...workgroups);
  backend.dispatchCountInPass++;
  if (!timed && backend.dispatchCountInPass < env().getNumber(MOST_IN_PASS)) return;
  backend.endComputePassEncoder();
  if (timed) backend.activeTimers!.push({ name, query: backend.getQueryTime() });
  else backend.submitQueue();
}

/** The source of every program that a backend compiled, by key. */
export function compiledSources(backend: WebgpuBackend): ReadonlyMap<string, string> {
  const { programs } = madeOf(backend);
  return new Map([...programs].map(([key, { built }]) => [key, sourceOf(built)]));
}

/** Runs something that makes the bind groups that it takes, and knows of none from before. */
export function withGroupsOfItsOwn<T>(backend: WebgpuBackend, run: () => T): T {
  const made = madeOf(backend);
  const { groups } = made;
  made.groups = new BoundedMap(MOST_GROUPS);
  try {
    return run();
  } finally {
    made.groups = groups;
  }
}

/** What a program binds and how large its workgroups are, without a device. */
export function builtOf<S extends Spec>(backend: WebgpuBackend, shader: Shader<S>, spec: S): Built {
  return compiled(backend, shader, spec).built;
}

function compiled<S extends Spec>(backend: WebgpuBackend, shader: Shader<S>, spec: S): Compiled {
  const { programs } = madeOf(backend);
  const key = shaderKey(shader, spec);
  const known = programs.get(key);
  if (known !== undefined) return known;
  const built = shader.build(spec);
  const { device } = backend;
  const module = device.createShaderModule({ code: sourceOf(built), label: key });
  const compute = { module, entryPoint: 'main' };
  const pipeline = device.createComputePipeline({ compute, layout: 'auto', label: shader.name });
  const made = { built, pipeline };
  programs.set(key, made);
  return made;
}

/** The bind group of a program's buffers, in the order of their bindings. */
export function bindGroupOf(
  backend: WebgpuBackend,
  pipeline: GPUComputePipeline,
  buffers: readonly GPUBuffer[],
): GPUBindGroup {
  let key = `${numberOf(pipeline)}`;
  for (const buffer of buffers) key += ` ${numberOf(buffer)}`;
  return madeOf(backend).groups.get(key, () =>
    backend.device.createBindGroup({
      layout: layoutOf(pipeline),
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    }),
  );
}

function layoutOf(pipeline: GPUComputePipeline): GPUBindGroupLayout {
  const known = layouts.get(pipeline) ?? pipeline.getBindGroupLayout(0);
  layouts.set(pipeline, known);
  return known;
}

/** Bytes of a uniform buffer are a multiple of these. */
const UNIFORM_BYTES = 16;

function sizesBuffer(backend: WebgpuBackend, sizes: readonly number[]): GPUBuffer {
  return madeOf(backend).sizes.get(sizes.join(), () => {
    const size = Math.ceil((4 * sizes.length) / UNIFORM_BYTES) * UNIFORM_BYTES;
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    const buffer = backend.device.createBuffer({ size, usage });
    backend.queue.writeBuffer(buffer, 0, Uint32Array.from(sizes));
    return buffer;
  });
}

/** The buffer of a tensor, which waits for the recorded commands when it is disposed of. */
function bufferOf(backend: WebgpuBackend, one: TensorInfo | GPUBuffer): GPUBuffer {
  if (!('dataId' in one)) return one;
  backend.commandQueueOwnedIds.add(one.dataId);
  return backend.tensorMap.get(one.dataId).resource as GPUBuffer;
}

function passOf(backend: WebgpuBackend, timed: boolean): GPUComputePassEncoder {
  backend.ensureCommandEncoderReady();
  const encoder = backend.commandEncoder!;
  if (timed && backend.supportTimestampQuery) {
    backend.endComputePassEncoder();
    backend.querySet ??= backend.device.createQuerySet({
      type: 'timestamp',
      count: backend.querySetCount,
    });
    const { querySet } = backend;
    const timestampWrites = { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
    backend.computePassEncoder = encoder.beginComputePass({ timestampWrites });
  }
  backend.computePassEncoder ??= encoder.beginComputePass();
  return backend.computePassEncoder;
}

function numberOf(object: object): number {
  const known = numbers.get(object);
  if (known !== undefined) return known;
  numbers.set(object, ++lastNumber);
  return lastNumber;
}

function madeOf(backend: WebgpuBackend): Made {
  const known = madeFor.get(backend);
  if (known !== undefined) return known;
  const made: Made = {
    programs: new Map(),
    groups: new BoundedMap(MOST_GROUPS),
    sizes: new BoundedMap(MOST_SIZES),
  };
  madeFor.set(backend, made);
  return made;
}
