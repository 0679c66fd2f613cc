import type { BackendName } from './choices.js';
import type { BackendState } from './protocol.js';
import { DEFAULTS } from './settings.js';

/** The backend for who chooses none: WebGPU where a GPU is behind it, else WebAssembly. */
export function preferredBackend(states: readonly BackendState[]): BackendName {
  const real = ({ name, available, note }: BackendState) =>
    name === 'webgpu' && available && note === '';
  return states.some(real) ? 'webgpu' : DEFAULTS.backend;
}
