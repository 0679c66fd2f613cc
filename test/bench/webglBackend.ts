import * as tf from '@tensorflow/tfjs';
import type { Contender } from './harness.js';

/** A burst takes at least this long: what waiting for the GPU costs is then a small part of it. */
const BURST_MS = 60;
const MAX_BURST = 256;

/** tfjs's backend 'webgl'. */
export async function setWebglBackend(): Promise<void> {
  const started = typeof document !== 'undefined' && (await tf.setBackend('webgl'));
  if (!started) throw new Error('This engine has no WebGL: there is nothing to measure.');
}

/** The GPU as the driver names it; null where there is no WebGL. */
export function adapterName(): string | null {
  const gl = document.createElement('canvas').getContext('webgl2');
  const info = gl?.getExtension('WEBGL_debug_renderer_info');
  return info == null ? null : `${gl?.getParameter(info.UNMASKED_RENDERER_WEBGL)}`;
}

/**
 * What computes one tensor on the GPU, as a contender: a run is a burst of them, and ends when a
 * number of the last one has come back, and with it all before it.
 */
export async function gpuContender(
  name: string,
  compute: () => tf.Tensor,
  burst: number,
  bars?: Contender['bars'],
): Promise<Contender> {
  const run = async () => {
    for (let i = 1; i < burst; i++) tf.tidy(() => void compute());
    await lastNumber(compute);
  };
  return bars === undefined ? { name, run } : { name, run, bars };
}

/**
 * How many of the slowest make a burst: the contenders of a case have the same, so that their ratio
 * is one of times.
 */
export async function burstFor(
  computes: readonly (() => tf.Tensor)[],
  leastMs = BURST_MS,
): Promise<number> {
  const times: number[] = [];
  for (const compute of computes) {
    // the first compiles
    await lastNumber(compute);
    const start = performance.now();
    for (let i = 1; i < PROBES; i++) tf.tidy(() => void compute());
    await lastNumber(compute);
    times.push((performance.now() - start) / PROBES);
  }
  return Math.min(MAX_BURST, Math.max(1, Math.ceil(leastMs / Math.min(...times))));
}

const PROBES = 4;

/** Computes and fetches one number of the result. */
async function lastNumber(compute: () => tf.Tensor): Promise<void> {
  const first = tf.tidy(() => {
    const y = compute();
    return tf.slice(
      y,
      y.shape.map(() => 0),
      y.shape.map(() => 1),
    );
  });
  await first.data();
  first.dispose();
}
