import type { BackendState } from '../shared/protocol.js';

/** WebGPU's answer may never come where a driver hangs (ms). */
const ADAPTER_LIMIT_MS = 3000;

/** What runs in this worker, found out without loading tfjs. */
export async function backendStates(): Promise<BackendState[]> {
  const webgl = webglState();
  return [wasmState(), webgl, await webgpuState(), { name: 'cpu', available: true, note: 'slow' }];
}

function wasmState(): BackendState {
  const available = typeof WebAssembly === 'object';
  const cores = navigator.hardwareConcurrency;
  const threads = crossOriginIsolated
    ? `${cores} ${cores === 1 ? 'thread' : 'threads'}`
    : 'one thread: this page is served without COOP and COEP headers';
  return { name: 'wasm', available, note: available ? threads : 'this browser has none' };
}

function webglState(): BackendState {
  const missing = (note: string) => ({ name: 'webgl', available: false, note }) as const;
  if (typeof OffscreenCanvas === 'undefined') return missing('no OffscreenCanvas in workers here');
  const context = new OffscreenCanvas(1, 1).getContext('webgl2');
  if (context === null) return missing('this browser has no WebGL 2');
  const info = context.getExtension('WEBGL_debug_renderer_info');
  const renderer = `${info === null ? '' : context.getParameter(info.UNMASKED_RENDERER_WEBGL)}`;
  context.getExtension('WEBGL_lose_context')?.loseContext();
  return { name: 'webgl', available: true, note: gpuNote(renderer) };
}

/** The part of `navigator.gpu` that is asked; a browser's types do not all have it. */
interface Gpu {
  requestAdapter(): Promise<{ readonly info?: { readonly architecture?: string } } | null>;
}

async function webgpuState(): Promise<BackendState> {
  const missing = (note: string) => ({ name: 'webgpu', available: false, note }) as const;
  const { gpu } = navigator as { gpu?: Gpu };
  if (gpu === undefined) return missing('this browser has no WebGPU');
  const limit = new Promise<null>((resolve) => setTimeout(() => resolve(null), ADAPTER_LIMIT_MS));
  const adapter = await Promise.race([gpu.requestAdapter().catch(() => null), limit]);
  if (adapter === null) return missing('WebGPU finds no GPU');
  return { name: 'webgpu', available: true, note: gpuNote(adapter.info?.architecture ?? '') };
}

/** Whether what calls itself so is no GPU. */
function gpuNote(renderer: string): string {
  return /swiftshader|llvmpipe|software/i.test(renderer) ? 'by software, no GPU: slow' : '';
}
