import { normalNumbers, seedOf, uniformNumbers } from '../ops/numerics/random.js';
import { InvalidArgumentError } from '../src/index.js';
import {
  checkDitConfig,
  type DitConfig,
  type DitWeights,
  ditWeightShapes,
} from './builder/ditConfig.js';

/** DiT-S/2 on 32×32×4 latents, as facebookresearch/DiT has it. */
export const DIT_S_2: DitConfig = {
  inputSize: 32,
  patchSize: 2,
  channels: 4,
  hiddenSize: 384,
  depth: 12,
  numHeads: 6,
  mlpRatio: 4,
  numClasses: 1000,
};

/**
 * DiT-XL/2 on 32×32×4 latents, as facebookresearch/DiT has it: 675 M parameters unless the depth is
 * set lower.
 */
export const DIT_XL_2: DitConfig = { ...DIT_S_2, hiddenSize: 1152, depth: 28, numHeads: 16 };

/** One channel in so many is an outlier. */
const OUTLIER_EVERY = 64;

/**
 * Untrained weights with what makes trained DiTs hard to quantize: channels of unlike scale, some
 * outlier channels, and activations with a mean.
 *
 * The same seed gives the same weights everywhere; a block's weights do not depend on the depth.
 *
 * @throws InvalidArgumentError for a config that does not fit itself, or whose width sine–cosine
 * positions cannot fill.
 */
export function seededDitWeights(config: DitConfig, seed: number): DitWeights {
  checkDitConfig(config);
  const { hiddenSize } = config;
  if (hiddenSize % 4 !== 0) {
    throw new InvalidArgumentError(
      'seededDitWeights',
      'hiddenSize',
      'a multiple of 4',
      `${hiddenSize}`,
    );
  }
  const entries = [...ditWeightShapes(config)].map(([name, shape]) => {
    const values = valuesFor(name, shape, config, seedOf(name, seed));
    return [name, { shape, values }] as const;
  });
  return new Map(entries);
}

function valuesFor(
  name: string,
  shape: readonly number[],
  config: DitConfig,
  seed: number,
): Float32Array {
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (name === 'pos_embed') return positions(shape[1]!, shape[2]!);
  if (name.startsWith('y_embedder')) return normals(size, seed, 0.5);
  if (name.includes('adaLN')) {
    return name.endsWith('weight') ? normals(size, seed, 0.02) : modulation(size, config, seed);
  }
  return name.endsWith('bias') ? normals(size, seed, 0.2) : matrix(shape[0]!, size, seed);
}

/** Xavier-like [outputs, inputs], each input channel with a log-normal scale of its own. */
function matrix(outputs: number, size: number, seed: number): Float32Array {
  const inputs = size / outputs;
  const std = Math.sqrt(2 / (inputs + outputs));
  const next = normalNumbers(seedOf('scales', seed));
  const scales = Float32Array.from({ length: inputs }, () => Math.exp(0.3 * next()));
  const values = normals(size, seed, std);
  for (let i = 0; i < size; i++) values[i] = values[i]! * scales[i % inputs]!;
  return values;
}

/** adaLN biases: (shift, scale, gate) twice for a block, (shift, scale) for the final layer. */
function modulation(size: number, { hiddenSize: d }: DitConfig, seed: number): Float32Array {
  const normal = normalNumbers(seed);
  const uniform = uniformNumbers(seedOf('outliers', seed));
  const isOutlier = () => uniform() < 1 / OUTLIER_EVERY;
  const outlier = () => 4 + 4 * uniform();
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    const part = Math.floor(i / d) % 3;
    const draw = normal();
    if (part === 0) values[i] = 0.5 * draw * (isOutlier() ? outlier() : 1);
    if (part === 1) values[i] = Math.exp(0.4 * draw) * (isOutlier() ? outlier() : 1) - 1;
    if (part === 2) values[i] = 0.3 * (1 + 0.2 * draw);
  }
  return values;
}

/**
 * Sine–cosine positions [1, tokens, d] of a square grid: half the channels tell the column, half
 * the row.
 */
function positions(tokens: number, d: number): Float32Array {
  const grid = Math.sqrt(tokens);
  const quarter = d / 4;
  const values = new Float32Array(tokens * d);
  for (let token = 0; token < tokens; token++) {
    for (const [axis, at] of [token % grid, Math.floor(token / grid)].entries()) {
      for (let i = 0; i < quarter; i++) {
        const angle = at * 10000 ** (-i / quarter);
        const start = token * d + axis * 2 * quarter + i;
        values[start] = Math.sin(angle);
        values[start + quarter] = Math.cos(angle);
      }
    }
  }
  return values;
}

function normals(size: number, seed: number, std: number): Float32Array {
  const next = normalNumbers(seed, 0, std);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = next();
  return values;
}
