import { type KernelConfig, type TensorInfo, tidy } from '@tensorflow/tfjs-core';
import { type ComposedOp, defineKernel } from '../common/kernel.js';
import { bytesOfShape, type WebgpuBackend } from './backend.js';
import { withFloats } from './floats.js';
import { askAtMeeting, meet, type Question, whyUnused } from './knownAnswers.js';
import { checkBytes, type Limits, limitsOf } from './limits.js';
import { WebgpuScope } from './scope.js';

/** What a kernel is given. */
export interface WebgpuKernelArgs<Inputs, Attrs> {
  readonly inputs: Inputs;
  readonly attrs: Attrs;
  readonly webgpu: WebgpuScope;
}

/** A kernel for WebGPU. */
export interface WebgpuKernel<Inputs, Attrs> {
  readonly run: (args: WebgpuKernelArgs<Inputs, Attrs>) => TensorInfo | TensorInfo[];
  /** Why it does not run a form on a device; null where it does. Default: it runs all. */
  readonly supports?: (form: Attrs, limits: Limits) => string | null;
  /** Forms and inputs that only a call knows. Default: it runs all. */
  readonly takes?: (inputs: Inputs, attrs: Attrs, limits: Limits) => boolean;
  /** Inputs that it does not bind as they are. Default none. */
  readonly unbound?: readonly (keyof Inputs & string)[];
  readonly question: Question;
}

/**
 * An op's kernel on tfjs-backend-webgpu. The op is composed for forms that the kernel does not
 * support, and until the kernel has given known answers on the adapter.
 *
 * The kernel throws UnsupportedDeviceError, before anything is dispatched, where the device has no
 * room for inputs or results.
 */
export function webgpuKernel<Inputs extends object, Attrs>(
  op: ComposedOp<Inputs, Attrs>,
  {
    run,
    supports = () => null,
    takes = () => true,
    unbound = [],
    question,
  }: WebgpuKernel<Inputs, Attrs>,
): KernelConfig {
  const { kernelName } = op.contract;
  askAtMeeting(kernelName, question);
  const config = defineKernel<Inputs, Attrs, WebgpuBackend>(
    op.contract,
    'webgpu',
    ({ inputs, attrs, backend }) => {
      const own =
        whyUnused(backend, kernelName) === null &&
        supports(attrs, limitsOf(backend.device)) === null &&
        takes(inputs, attrs, limitsOf(backend.device));
      if (!own) return tidy(() => op.composite(inputs, attrs));
      checkInputs(kernelName, inputs, unbound, backend);
      return inScope(backend, kernelName, (webgpu) =>
        run({ inputs: withFloats(webgpu, inputs), attrs, webgpu }),
      );
    },
    (form, backend) => whyUnused(backend, kernelName) ?? supports(form, limitsOf(backend.device)),
  );
  const setupFunc = (backend: unknown) => void meet(backend as WebgpuBackend);
  return Object.assign(config, { setupFunc });
}

/** Runs programs and disposes of what they made, but for the outputs. */
export function inScope(
  backend: WebgpuBackend,
  op: string,
  run: (webgpu: WebgpuScope) => TensorInfo | TensorInfo[],
): TensorInfo | TensorInfo[] {
  const webgpu = new WebgpuScope(backend, op);
  let outputs: TensorInfo | TensorInfo[] = [];
  try {
    outputs = run(webgpu);
    return outputs;
  } finally {
    webgpu.close(Array.isArray(outputs) ? outputs : [outputs]);
  }
}

function checkInputs(
  op: string,
  inputs: object,
  unbound: readonly string[],
  { device }: WebgpuBackend,
): void {
  for (const [name, info] of Object.entries(inputs) as [string, TensorInfo | undefined][]) {
    if (info === undefined || unbound.includes(name)) continue;
    const what = () => `${name}, of shape [${info.shape}]`;
    checkBytes(op, what, bytesOfShape(info.shape), limitsOf(device));
  }
}
