import { kernelKind } from './kernel.js';

/** The backends of tfjs 4.22; the ops run on any other backend too, as compositions. */
export const BACKENDS = ['cpu', 'tensorflow', 'wasm', 'webgl', 'webgpu'] as const;

/** How one op runs on each backend: `own` kernel, or `composed` of tfjs ops (right, slower). */
export interface OpSupport {
  readonly op: string;
  readonly backends: Readonly<Record<string, 'own' | 'composed' | 'none'>>;
}

/** How each of the named ops runs on each of the named backends, as registered now. */
export function supportOf(ops: readonly string[], backends: readonly string[]): OpSupport[] {
  return ops.map((op) => ({
    op,
    backends: Object.fromEntries(backends.map((backend) => [backend, kernelKind(op, backend)])),
  }));
}
