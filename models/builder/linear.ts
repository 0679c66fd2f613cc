import { InvalidArgumentError } from '../../src/index.js';
import type { DitWeights } from './ditConfig.js';

/** A linear's weights for the graph: `matrix` is [inputs, outputs], row-major. */
export interface LinearWeights {
  readonly inputs: number;
  readonly outputs: number;
  readonly matrix: Float32Array;
  readonly bias: Float32Array;
}

/**
 * PyTorch's linear `key`: its weight [out, in] turned to [in, out]. @throws InvalidArgumentError
 * when there is none.
 */
export function linearOf(weights: DitWeights, key: string): LinearWeights {
  const values = valuesOf(weights, `${key}.weight`);
  const bias = valuesOf(weights, `${key}.bias`);
  const outputs = bias.length;
  const inputs = values.length / outputs;
  const matrix = new Float32Array(values.length);
  for (let to = 0; to < outputs; to++) {
    for (let from = 0; from < inputs; from++) {
      matrix[from * outputs + to] = values[to * inputs + from]!;
    }
  }
  return { inputs, outputs, matrix, bias };
}

/**
 * PyTorch's patch convolution `key`, [d, C, p, p], as a linear on patches whose values are in the
 * order [p, p, C].
 */
export function patchLinearOf(
  weights: DitWeights,
  key: string,
  channels: number,
  patchSize: number,
): LinearWeights {
  const { inputs, outputs, matrix, bias } = linearOf(weights, key);
  const cells = patchSize * patchSize;
  const transposed = new Float32Array(matrix.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let cell = 0; cell < cells; cell++) {
      const start = (channel * cells + cell) * outputs;
      const row = matrix.subarray(start, start + outputs);
      transposed.set(row, (cell * channels + channel) * outputs);
    }
  }
  return { inputs, outputs, matrix: transposed, bias };
}

/** `outputs[from … from + count)` of a linear: a linear of its own. */
export function sliceOutputs(linear: LinearWeights, from: number, count: number): LinearWeights {
  const { inputs, outputs, matrix, bias } = linear;
  const part = new Float32Array(inputs * count);
  for (let row = 0; row < inputs; row++) {
    const start = row * outputs + from;
    part.set(matrix.subarray(start, start + count), row * count);
  }
  return { inputs, outputs: count, matrix: part, bias: bias.slice(from, from + count) };
}

/** The values of the weight `key`. @throws InvalidArgumentError when there is none. */
export function valuesOf(weights: DitWeights, key: string): Float32Array {
  const weight = weights.get(key);
  if (weight === undefined) {
    throw new InvalidArgumentError('buildDit', `weight ${key}`, 'there', 'none');
  }
  return weight.values;
}
