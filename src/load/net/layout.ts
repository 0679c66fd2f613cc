/** In which order a linear's inputs and outputs are taken from the checkpoint's. */
export interface LinearLayout {
  /** Input i of the graph is input `inputs[i]` of the checkpoint. */
  readonly inputs?: readonly number[];
  readonly outputs?: readonly number[];
}

/** PyTorch's [outputs, inputs] as [inputs, outputs], reordered. */
export function linearMatrix(
  values: Float32Array,
  inputs: number,
  outputs: number,
  { inputs: inOrder, outputs: outOrder }: LinearLayout,
): Float32Array {
  const matrix = new Float32Array(values.length);
  const from = inOrder ?? Int32Array.from({ length: inputs }, (_, i) => i);
  // a few rows beside each other, of which whole lines of the cache are written
  for (let first = 0; first < outputs; first += TILE) {
    const last = Math.min(first + TILE, outputs);
    const rows = Array.from({ length: last - first }, (_, i) => outOrder?.[first + i] ?? first + i);
    for (let i = 0; i < inputs; i++) {
      const [at, column] = [i * outputs + first, from[i]!];
      for (let k = 0; k < rows.length; k++) matrix[at + k] = values[rows[k]! * inputs + column]!;
    }
  }
  return matrix;
}

const TILE = 16;

/**
 * The order of a patch's values in tfjs, [p, p, channels], by their places in PyTorch's
 * [channels, p, p].
 */
export function patchOrder(channels: number, p: number): number[] {
  const cells = p * p;
  return Array.from({ length: cells * channels }, (_, i) => {
    const [cell, channel] = [Math.floor(i / channels), i % channels];
    return channel * cells + cell;
  });
}

/**
 * Of each head first the even channels, then the odd: rotary embeddings turn pairs of neighbors,
 * which two halves of a head are then. Queries and keys in the same order have the same products.
 */
export function halvesOrder(heads: number, headSize: number): number[] {
  const half = headSize / 2;
  return Array.from({ length: heads * headSize }, (_, i) => {
    const [head, at] = [Math.floor(i / headSize), i % headSize];
    return head * headSize + (at < half ? 2 * at : 2 * (at - half) + 1);
  });
}
