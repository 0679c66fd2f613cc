import type { ZooEntry } from './zoo.js';

/**
 * Behind a timestep's sines on a GPU: GLSL ES and WGSL let them be 2^−11 off, and SwiftShader's are
 * by 2e-4, which layers magnify.
 */
export const SINE_BOUND = 4e-3;

/** Whether a backend's sines move what this graph gives. */
export function hasSinesOfGpu({ build }: ZooEntry, backend: string): boolean {
  if (backend !== 'webgl' && backend !== 'webgpu') return false;
  const { node } = build().artifacts.modelTopology as { node: readonly { op: string }[] };
  return node.some(({ op }) => op === 'Sin' || op === 'Cos');
}
