import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';

/**
 * Runs `body` and checks that it left no tensor behind, nor any buffer in the backend: what a
 * kernel forgets to dispose is invisible to `tf.memory()`.
 */
export function expectNoLeak<T>(body: () => T): T {
  const before = count();
  const result = body();
  expect(count(), 'tensors and backend buffers after').to.deep.equal(before);
  return result;
}

/** As `expectNoLeak`, for an async body. */
export async function expectNoLeakAsync<T>(body: () => Promise<T>): Promise<T> {
  const before = count();
  const result = await body();
  expect(count(), 'tensors and backend buffers after').to.deep.equal(before);
  return result;
}

function count(): { tensors: number; dataIds: number } {
  return { tensors: tf.memory().numTensors, dataIds: tf.backend().numDataIds() };
}
