import * as tf from '@tensorflow/tfjs';
import { useBackend } from '../base/backends.js';
import { found, type Outcome, RIGHT, thrown } from '../base/outcome.js';
import { Guard } from './guard.js';

/** What came out. */
export interface Output {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array | Uint8Array;
}

/** What one backend made of a call. */
export interface Result {
  readonly outcome: Outcome;
  /** Empty where it threw. */
  readonly outputs: readonly Output[];
}

/** Runs a call; tensors that it leaves are a fault. */
export async function resultOf(call: () => Promise<tf.Tensor[]> | tf.Tensor[]): Promise<Result> {
  const before = counts();
  let result: Result;
  try {
    const tensors = await call();
    const outputs = tensors.map((tensor) => ({
      shape: tensor.shape.slice(),
      values: tensor.dataSync<'float32' | 'int32' | 'bool'>().slice() as Float32Array,
    }));
    tf.dispose(tensors);
    result = { outcome: RIGHT, outputs };
  } catch (error) {
    result = { outcome: thrown(error), outputs: [] };
  }
  const after = counts();
  if (after.tensors === before.tensors && after.data === before.data) return result;
  const more = `${after.tensors - before.tensors} tensors, ${after.data - before.data} buffers`;
  // what tfjs leaves where it throws itself is its own
  if (result.outcome.what === 'tfjs' || result.outcome.what === 'found') return result;
  return { outcome: found('leak', `${more} left`), outputs: [] };
}

/**
 * The same on the watched WASM backend, under two guards: it must write nowhere else, and give the
 * same to the bit.
 *
 * @param once Where nothing is expected to come out, one guard tells as much.
 */
export async function guardedResult(
  call: () => Promise<tf.Tensor[]> | tf.Tensor[],
  once = false,
): Promise<Result> {
  const guard = await Guard.get();
  const run = () => resultOf(call);
  const [first, second] = once ? await guard.once(run) : await guard.twice(run);
  const written = guard.outsideWrites();
  const fail = (fault: 'outside write' | 'outside read', text: string): Result => ({
    outcome: found(fault, text),
    outputs: [],
  });
  if (written !== null) return fail('outside write', written);
  if (first.outcome.what !== second.outcome.what) {
    const texts = [first, second].map(({ outcome }) => JSON.stringify(outcome));
    return fail('outside read', `under two guards: ${texts.join(' and ')}`);
  }
  const off = first.outputs.findIndex((output, i) => !sameBits(output, second.outputs[i]!));
  if (off >= 0) return fail('outside read', `output ${off} is another one under another guard`);
  return first;
}

export async function onCpu(call: () => Promise<tf.Tensor[]> | tf.Tensor[]): Promise<Result> {
  await useBackend('cpu');
  return resultOf(call);
}

function sameBits(a: Output, b: Output): boolean {
  return (
    `${a.shape}` === `${b.shape}` && a.values.every((value, i) => Object.is(value, b.values[i]))
  );
}

function counts(): { tensors: number; data: number } {
  return { tensors: tf.memory().numTensors, data: tf.engine().backend.numDataIds() };
}
