import { env } from '@tensorflow/tfjs-core';
import { NotRecordableError } from '../numerics/errors.js';
import { encoderOf, submit, type WebgpuBackend } from './backend.js';
import { MOST_IN_PASS, withGroupsOfItsOwn } from './dispatch.js';
import { RecordedBuffers } from './recordedBuffers.js';

/** What a GPU is told, with all that it takes made beforehand. */
export type Command =
  | {
      readonly kind: 'run';
      readonly pipeline: GPUComputePipeline;
      readonly group: GPUBindGroup;
      readonly workgroups: readonly [number, number, number];
    }
  | {
      readonly kind: 'copy';
      readonly from: GPUBuffer;
      readonly to: GPUBuffer;
      readonly bytes: number;
    };

/** The commands of something that ran once on the backend, and the buffers that they are about. */
export class Recording {
  constructor(
    readonly commands: readonly Command[],
    private readonly buffers: RecordedBuffers,
  ) {}

  /** Bytes of the buffers that are there for this alone. */
  get bytes(): number {
    return this.buffers.bytes;
  }

  /** Holds a buffer for as long as the recording is there. */
  hold(buffer: GPUBuffer): void {
    this.buffers.hold(buffer);
  }

  /** Records the commands once more, into an encoder without an open pass. */
  play(encoder: GPUCommandEncoder): void {
    let pass: GPUComputePassEncoder | undefined;
    for (const command of this.commands) {
      if (command.kind === 'copy') {
        pass?.end();
        pass = undefined;
        encoder.copyBufferToBuffer(command.from, 0, command.to, 0, command.bytes);
        continue;
      }
      pass ??= encoder.beginComputePass();
      pass.setPipeline(command.pipeline);
      pass.setBindGroup(0, command.group);
      pass.dispatchWorkgroups(...command.workgroups);
    }
    pass?.end();
  }

  /** Gives all buffers back. */
  dispose(): void {
    this.buffers.letGo();
  }
}

/**
 * Runs something on the backend, and records what the GPU would be told; it is told when the
 * recording is played. Until then nothing that came out may be used.
 *
 * What is handed to programs from the host is recorded as it was: `run` must have nothing on the
 * host that differs from run to run.
 *
 * @throws NotRecordableError in the name of `op` where it reads from the GPU; what `run` throws.
 */
export function record<T>(
  backend: WebgpuBackend,
  op: string,
  run: () => T,
): { recording: Recording; value: T } {
  submit(backend);
  const commands: Command[] = [];
  const buffers = new RecordedBuffers(backend.bufferManager);
  const undo = [
    buffers.install(backend),
    refuseReads(backend, op),
    listen(backend, op, buffers, commands),
    submitEach(),
  ];
  let outcome: { readonly value: T } | { readonly error: unknown };
  try {
    outcome = { value: withGroupsOfItsOwn(backend, run) };
  } catch (error) {
    outcome = { error };
  } finally {
    submit(backend);
    for (const end of undo.reverse()) end();
  }
  const recording = new Recording(commands, buffers);
  if ('value' in outcome) return { recording, value: outcome.value };
  // what was packed on the way, and is kept, must hold what it was to hold
  recording.play(encoderOf(backend));
  submit(backend);
  recording.dispose();
  throw outcome.error;
}

/** tfjs takes the buffers of what is disposed of again once it is submitted. */
function submitEach(): () => void {
  const before = env().getNumber(MOST_IN_PASS);
  env().set(MOST_IN_PASS, 1);
  return () => env().set(MOST_IN_PASS, before);
}

function refuseReads(backend: WebgpuBackend, op: string): () => void {
  const { read, readSync } = backend;
  const check = (dataId: object) => {
    const { values, dtype } = backend.tensorMap.get(dataId);
    if (values != null || dtype === 'string') return;
    throw new NotRecordableError(op, 'a node reads what was computed on the GPU');
  };
  backend.read = (dataId) => {
    check(dataId);
    return read.call(backend, dataId);
  };
  backend.readSync = (dataId) => {
    check(dataId);
    return readSync.call(backend, dataId);
  };
  return () => Object.assign(backend, { read, readSync });
}

/** Notes down what the device is told, in its place. */
function listen(
  backend: WebgpuBackend,
  op: string,
  buffers: RecordedBuffers,
  commands: Command[],
): () => void {
  const { device, queue } = backend;
  const { createBindGroup, createCommandEncoder } = device;
  const ownSubmit = queue.submit;
  const outputs = new WeakMap<GPUBindGroup, GPUBuffer>();
  device.createBindGroup = (descriptor) => {
    const group = createBindGroup.call(device, descriptor);
    for (const { binding, resource } of descriptor.entries) {
      const buffer = bufferIn(op, resource);
      buffers.hold(buffer);
      if (binding === 0) outputs.set(group, buffer);
    }
    return group;
  };
  const onRun = (command: Command & { kind: 'run' }) => {
    const output = outputs.get(command.group);
    if (output !== undefined && buffers.isFromHost(output)) {
      throw new NotRecordableError(op, 'a node adds to values that come from the host');
    }
    commands.push(command);
  };
  const onCopy = (command: Command & { kind: 'copy' }) => {
    for (const buffer of [command.from, command.to]) buffers.hold(buffer);
    commands.push(command);
  };
  device.createCommandEncoder = () => listeningEncoder(op, onRun, onCopy);
  queue.submit = () => {};
  return () => {
    Object.assign(device, { createBindGroup, createCommandEncoder });
    Object.assign(queue, { submit: ownSubmit });
  };
}

/** tfjs and the kernels of this package bind whole buffers. */
function bufferIn(op: string, resource: GPUBindingResource): GPUBuffer {
  if ('buffer' in resource) return resource.buffer;
  throw new NotRecordableError(op, 'a node works on a texture');
}

/** As much of an encoder as tfjs and the kernels of this package use. */
function listeningEncoder(
  op: string,
  onRun: (command: Command & { kind: 'run' }) => void,
  onCopy: (command: Command & { kind: 'copy' }) => void,
): GPUCommandEncoder {
  const beginComputePass = () => {
    let pipeline: GPUComputePipeline;
    let group: GPUBindGroup;
    return {
      setPipeline: (given: GPUComputePipeline) => {
        pipeline = given;
      },
      setBindGroup: (_: number, given: GPUBindGroup) => {
        group = given;
      },
      dispatchWorkgroups: (x: number, y = 1, z = 1) =>
        onRun({ kind: 'run', pipeline, group, workgroups: [x, y, z] }),
      end: () => {},
    };
  };
  const copyBufferToBuffer = (
    from: GPUBuffer,
    at: number,
    to: GPUBuffer,
    toAt: number,
    bytes: number,
  ) => {
    if (at !== 0 || toAt !== 0) throw new NotRecordableError(op, 'a node copies part of a buffer');
    onCopy({ kind: 'copy', from, to, bytes });
  };
  const refused = () => {
    throw new NotRecordableError(op, 'a node works on a texture, or measures times');
  };
  const encoder: Partial<Record<keyof GPUCommandEncoder, unknown>> = {
    beginComputePass,
    copyBufferToBuffer,
    finish: () => ({}),
    copyBufferToTexture: refused,
    copyTextureToBuffer: refused,
    resolveQuerySet: refused,
  };
  return encoder as GPUCommandEncoder;
}
