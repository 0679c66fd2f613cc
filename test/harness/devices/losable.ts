import * as tf from '@tensorflow/tfjs';
import { MathBackendWebGL } from '@tensorflow/tfjs-backend-webgl';
import { WebglContextLostError, WebgpuDeviceLostError } from '../../../src/index.js';
import { backends } from '../backends/backends.js';

/** The parts of tfjs's GPU backends by which tests lose their devices. */
interface GpuBackend {
  readonly gpgpu?: { readonly gl: WebGL2RenderingContext };
  readonly device?: { destroy(): void };
  uploadToGPU(dataId: object): void;
  runWebGLProgram?: (...args: unknown[]) => unknown;
  runWebGPUProgram?: (...args: unknown[]) => unknown;
}

/** Names under which backends run that lose their devices: the page's own live on. */
export const LOSABLE = { webgl: 'webgl that is lost', webgpu: 'webgpu that is lost' } as const;

/** What of GPUs can be lost. */
export type GpuName = keyof typeof LOSABLE;

/** What is thrown then. */
export const LOST_ERRORS = { webgl: WebglContextLostError, webgpu: WebgpuDeviceLostError } as const;

/** A describe block for each GPU backend of the page; nothing where there is none, as in Node. */
export function describeOnGpus(title: string, body: (gpu: GpuName) => void): void {
  for (const gpu of ['webgl', 'webgpu'] as const) {
    const found = backends.find(({ name }) => name === gpu);
    if (found === undefined) continue;
    describe(`${title} on ${gpu}`, () => {
      if (found.missing !== undefined) {
        it.skip(`SKIPPED: ${found.missing}`);
        return;
      }
      after(() => tf.setBackend(gpu));
      body(gpu);
    });
  }
}

/** Makes a backend with a device of its own the current one, in the place of the last such. */
export async function useLosable(gpu: GpuName): Promise<void> {
  const name = LOSABLE[gpu];
  await tf.setBackend('cpu');
  removeLosable(gpu);
  const factory =
    gpu === 'webgl'
      ? () => new MathBackendWebGL(document.createElement('canvas'))
      : tf.findBackendFactory('webgpu');
  tf.registerBackend(name, factory);
  if (tf.getKernelsForBackend(name).length === 0) tf.copyRegisteredKernels(gpu, name);
  if (!(await tf.setBackend(name))) throw new Error(`${name} does not start.`);
}

export function removeLosable(gpu: GpuName): void {
  if (tf.findBackendFactory(LOSABLE[gpu]) != null) tf.removeBackend(LOSABLE[gpu]);
}

/** Takes the device of a backend away. */
export function lose(name: string = tf.getBackend()): void {
  const { gpgpu, device } = gpuBackend(name);
  if (gpgpu !== undefined) gpgpu.gl.getExtension('WEBGL_lose_context')!.loseContext();
  device?.destroy();
}

/** Has the values of a tensor on the current device alone. */
export function upload({ dataId }: tf.Tensor): void {
  gpuBackend(tf.getBackend()).uploadToGPU(dataId);
}

/** Loses the current device when so many programs more have begun. */
export function loseAfter(programs: number): void {
  const backend = gpuBackend(tf.getBackend());
  const name = tf.getBackend();
  const run = backend.gpgpu === undefined ? 'runWebGPUProgram' : 'runWebGLProgram';
  const original = backend[run]!.bind(backend);
  let left = programs;
  backend[run] = (...args) => {
    if (left-- === 0) lose(name);
    return original(...args);
  };
}

/** Loses a WebGL context and gives it back, empty. */
export async function loseAndRestore(): Promise<void> {
  const { gl } = gpuBackend(tf.getBackend()).gpgpu!;
  const extension = gl.getExtension('WEBGL_lose_context')!;
  const told = (event: string) =>
    new Promise((resolve) => gl.canvas.addEventListener(event, resolve, { once: true }));
  const lost = told('webglcontextlost');
  extension.loseContext();
  await lost;
  const restored = told('webglcontextrestored');
  // a context that is restored within the event is not
  setTimeout(() => extension.restoreContext());
  await restored;
}

function gpuBackend(name: string): GpuBackend {
  return tf.engine().registry[name] as unknown as GpuBackend;
}
