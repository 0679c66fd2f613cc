import { startDawn } from '../harness/backends/dawn.js';
import type { BenchSuite } from './harness.js';
import { webgpuSuites } from './webgpuSuites.js';

/** The suites for WebGPU on Dawn, which fetches nothing: `npm run provision:dawn` does. */
export async function webgpuNodeSuites(): Promise<BenchSuite[]> {
  const missing = process.argv.some((arg) => arg.startsWith('webgpu'))
    ? await startDawn()
    : 'asked for by name only';
  return webgpuSuites.map((suite) => ({ ...suite, missing, onlyAsked: true }));
}
