import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';

/** The parts of tfjs-backend-wasm 4.22 that kernels use. */
export interface WasmBackend {
  readonly wasm: EmscriptenModule;
  readonly dataIdMap: { get(dataId: object): { memoryOffset: number } };
  makeOutput(shape: number[], dtype: DataType): TensorInfo;
  disposeData(dataId: object): boolean;
}

/** The parts of tfjs's own module that are used: its memory and its allocator. */
export interface EmscriptenModule {
  /** The threaded build's memory, which is shared. */
  readonly wasmMemory?: WebAssembly.Memory;
  /** The exports; the plain and the SIMD build export their memory. */
  readonly asm: { readonly memory?: WebAssembly.Memory };
  _malloc(bytes: number): number;
  _free(address: number): void;
}

/** The memory that tfjs's tensors live in; undefined for a tfjs that keeps it elsewhere. */
export function memoryOf({ wasmMemory, asm }: EmscriptenModule): WebAssembly.Memory | undefined {
  return [wasmMemory, asm.memory].find((memory) => memory instanceof WebAssembly.Memory);
}

/** Whether a memory is shared between threads. */
export function isShared(memory: WebAssembly.Memory): boolean {
  return typeof SharedArrayBuffer === 'function' && memory.buffer instanceof SharedArrayBuffer;
}
