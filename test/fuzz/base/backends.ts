import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import '../../../src/index.js';

/**
 * Chooses a backend. tfjs sets up all kernels at each `setBackend`, which takes longer than most
 * cases: once a backend is set up, it is put in its place.
 */
export async function useBackend(name: 'cpu' | 'wasm'): Promise<void> {
  const engine = tf.engine();
  if (engine.backendName === name) return;
  if (ready.has(name)) {
    engine.backendName = name;
    Reflect.set(engine, 'backendInstance', engine.registry[name]);
    return;
  }
  if (!(await tf.setBackend(name))) throw new Error(`The backend ${name} does not start.`);
  ready.add(name);
}

const ready = new Set<string>();

/** After a backend was thrown away. */
export function forgetBackends(): void {
  ready.clear();
}
