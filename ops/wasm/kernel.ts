import { type KernelConfig, type TensorInfo, tidy } from '@tensorflow/tfjs-core';
import { withDirections } from '../common/directions.js';
import { type ComposedOp, defineKernel } from '../common/kernel.js';
import { correctKernels } from './corrections/kernels.js';
import type { WasmBackend } from './instance/backend.js';
import { wasmCode } from './instance/code.js';
import { guardHeap } from './instance/heap.js';
import { disposeWasmModules, type WasmModule, wasmModule } from './module.js';

/**
 * What a kernel is given: the module is there, and its scratch memory is the kernel's until it
 * returns.
 */
export interface WasmKernelArgs<Inputs, Attrs> {
  readonly inputs: Inputs;
  readonly attrs: Attrs;
  readonly module: WasmModule;
}

let told = false;

/**
 * An op's kernel on tfjs-backend-wasm. Where the engine cannot run it the op is composed, and that
 * is said once.
 * @param supports Why `run` takes a longer way with a form.
 */
export function wasmKernel<Inputs, Attrs>(
  op: ComposedOp<Inputs, Attrs>,
  run: (args: WasmKernelArgs<Inputs, Attrs>) => TensorInfo | TensorInfo[],
  supports: (form: Attrs) => string | null = () => null,
): KernelConfig {
  const config = defineKernel<Inputs, Attrs, WasmBackend>(
    op.contract,
    'wasm',
    ({ inputs, attrs, backend }) => {
      const module = wasmModule(backend);
      if (module !== null) return module.call(() => run({ inputs, attrs, module }));
      if (wasmCode() !== null) tellOnce();
      return tidy(() => op.composite(inputs, attrs));
    },
    (form, backend) => (wasmModule(backend) === null ? whyNoModule() : supports(form)),
  );
  // tfjs types the backend as any
  const disposeFunc = (backend: unknown) => disposeWasmModules(backend as WasmBackend);
  // tfjs calls it when the backend is chosen: before any tensor is, where this package came first
  const setupFunc = (backend: unknown) => {
    guardHeap((backend as WasmBackend).wasm);
    correctKernels();
  };
  return { ...config, setupFunc, disposeFunc };
}

/** A kernel on tfjs-backend-wasm that takes directions too. */
export function wasmKernelBeside(config: KernelConfig): KernelConfig {
  return withDirections<unknown, WasmBackend>(config, (_form, _rank, backend) =>
    wasmModule(backend) === null ? whyNoModule() : null,
  );
}

function whyNoModule(): string {
  if (wasmCode() !== null) return 'this engine has no WebAssembly SIMD';
  return 'the kernels for wasm are still being loaded';
}

function tellOnce(): void {
  if (told) return;
  told = true;
  const cause = 'this engine has no WebAssembly SIMD, or compiles only in the background';
  const effect = 'ops run as compositions of tfjs ops, right but slow';
  console.warn(`tfjs-hadanorm: ${cause}; ${effect}.`);
}
