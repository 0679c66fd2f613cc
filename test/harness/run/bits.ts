import * as tf from '@tensorflow/tfjs';

/** Values as bits: equal ones are equal to the last of them. Disposes of all but `others`. */
export async function bits(
  made: tf.Tensor | tf.Tensor[],
  others: readonly tf.Tensor[] = [],
): Promise<number[][]> {
  const tensors = [made].flat();
  const values = await Promise.all(tensors.map((tensor) => tensor.data()));
  tf.dispose(tensors.filter((tensor) => !others.includes(tensor)));
  return values.map((value) => Array.from(new Uint32Array(Float32Array.from(value).buffer)));
}
