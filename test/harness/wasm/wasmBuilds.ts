import * as tf from '@tensorflow/tfjs';
import '../backends/backends.js';

/** Throws the WASM backend away, with the tensors on it, and starts it anew by `start`. */
export async function restartWasm(
  start: () => Promise<unknown> = () => tf.setBackend('wasm'),
): Promise<void> {
  const factory = tf.findBackendFactory('wasm');
  await tf.setBackend('cpu');
  tf.removeBackend('wasm');
  tf.registerBackend('wasm', factory, 2);
  await start();
}

/** Runs `body` with some of tfjs's flags changed. */
export async function withFlags(
  flags: Readonly<Record<string, boolean>>,
  body: () => Promise<unknown>,
): Promise<void> {
  const before = await Promise.all(Object.keys(flags).map((name) => tf.env().getAsync(name)));
  tf.env().setFlags({ ...tf.env().getFlags(), ...flags });
  try {
    await body();
  } finally {
    Object.keys(flags).forEach((name, i) => {
      tf.env().set(name, before[i]!);
    });
  }
}
