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
  // blocks that stay in the cache: both sides are matrices of millions
  for (let first = 0; first < inputs; first += BLOCK) {
    const last = Math.min(first + BLOCK, inputs);
    for (let to = 0; to < outputs; to++) {
      const row = (outOrder?.[to] ?? to) * inputs;
      for (let from = first; from < last; from++) {
        matrix[from * outputs + to] = values[row + (inOrder?.[from] ?? from)]!;
      }
    }
  }
  return matrix;
}

const BLOCK = 64;

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
