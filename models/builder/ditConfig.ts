import { InvalidArgumentError } from '../../src/index.js';
import type { WeightValues } from '../../src/load/safetensors.js';

/** How a linear is written in the graph, as converters write it. */
export type LinearStyle = 'fusedMatMul' | 'matMul' | 'batchMatMul' | 'einsum';

/** A diffusion transformer's sizes, and how its graph is written. */
export interface DitConfig {
  /** Height and width of the input, in pixels or latent cells. A multiple of `patchSize`. */
  readonly inputSize: number;
  /** Height and width of a patch: one token. */
  readonly patchSize: number;
  readonly channels: number;
  /** d. A multiple of `numHeads`. */
  readonly hiddenSize: number;
  readonly depth: number;
  readonly numHeads: number;
  /** Width of the MLP / d. */
  readonly mlpRatio: number;
  /** Labels are 0 … numClasses − 1; label numClasses is 'none', for guidance. */
  readonly numClasses: number;
  /** Default fusedMatMul. The wasm backend has no Einsum; on the others it is slow. */
  readonly linear?: LinearStyle;
  /** One linear for q, k and v, or three. Default fusedQkv; for einsum separate. */
  readonly attention?: 'fusedQkv' | 'separate';
}

/** Weights by facebookresearch/DiT's names, in PyTorch's layouts: a linear is [out, in]. */
export type DitWeights = ReadonlyMap<string, WeightValues>;

/** Width of the sinusoidal embedding of the timestep. */
export const FREQUENCY_SIZE = 256;

const SIZES = [
  'inputSize',
  'patchSize',
  'channels',
  'hiddenSize',
  'depth',
  'numHeads',
  'numClasses',
] as const;

const STYLES: Readonly<Record<'linear' | 'attention', readonly string[]>> = {
  linear: ['fusedMatMul', 'matMul', 'batchMatMul', 'einsum'],
  attention: ['fusedQkv', 'separate'],
};

/** @throws InvalidArgumentError when the sizes do not fit one another, or a style is unknown. */
export function checkDitConfig(config: DitConfig): void {
  for (const key of SIZES) {
    check(key, 'an integer ≥ 1', config[key], Number.isInteger(config[key]) && config[key] >= 1);
  }
  const { inputSize, patchSize, hiddenSize, numHeads, mlpRatio } = config;
  const inPatches = `a multiple of patchSize ${patchSize}`;
  check('inputSize', inPatches, inputSize, inputSize % patchSize === 0);
  const inHeads = `a multiple of numHeads ${numHeads}`;
  check('hiddenSize', inHeads, hiddenSize, hiddenSize % numHeads === 0);
  const width = hiddenSize * mlpRatio;
  check('mlpRatio', 'such that hiddenSize · mlpRatio is a whole size', mlpRatio, isSize(width));
  for (const key of ['linear', 'attention'] as const) {
    const style = config[key];
    check(key, STYLES[key].join(' or '), style, style === undefined || STYLES[key].includes(style));
  }
}

/** The shapes of all weights of a DiT, by name. */
export function ditWeightShapes(config: DitConfig): Map<string, readonly number[]> {
  const { hiddenSize: d, patchSize: p, channels, depth, numClasses } = config;
  const hidden = d * config.mlpRatio;
  const shapes = new Map<string, readonly number[]>();
  const linear = (name: string, from: number, to: number) =>
    shapes.set(`${name}.weight`, [to, from]).set(`${name}.bias`, [to]);
  shapes.set('x_embedder.proj.weight', [d, channels, p, p]).set('x_embedder.proj.bias', [d]);
  shapes.set('pos_embed', [1, tokensOf(config), d]);
  linear('t_embedder.mlp.0', FREQUENCY_SIZE, d);
  linear('t_embedder.mlp.2', d, d);
  shapes.set('y_embedder.embedding_table.weight', [numClasses + 1, d]);
  for (let block = 0; block < depth; block++) {
    const name = `blocks.${block}`;
    linear(`${name}.attn.qkv`, d, 3 * d);
    linear(`${name}.attn.proj`, d, d);
    linear(`${name}.mlp.fc1`, d, hidden);
    linear(`${name}.mlp.fc2`, hidden, d);
    linear(`${name}.adaLN_modulation.1`, d, 6 * d);
  }
  linear('final_layer.linear', d, p * p * channels);
  linear('final_layer.adaLN_modulation.1', d, 2 * d);
  return shapes;
}

/** @throws InvalidArgumentError for a weight that is missing, one too many, or of another shape. */
export function checkDitWeights(config: DitConfig, weights: DitWeights): void {
  const shapes = ditWeightShapes(config);
  for (const [name, shape] of shapes) {
    const got = weights.get(name);
    const what = `weight ${name}`;
    check(what, `of shape [${shape}]`, got && `[${got.shape}]`, `${got?.shape}` === `${shape}`);
    const size = shape.reduce((product, dim) => product * dim, 1);
    const length = got?.values.length;
    check(`values of ${name}`, `${size} long`, length, length === size);
  }
  for (const name of weights.keys()) {
    check('weights', 'those of the config alone', `${name} too`, shapes.has(name));
  }
}

/**
 * The config that weights have, but for the number of heads, which no shape shows.
 *
 * @throws InvalidArgumentError when these are not the weights of a square DiT.
 */
export function ditConfigOf(weights: DitWeights, numHeads: number): DitConfig {
  const dim = (name: string, axis: number) => {
    const shape = weights.get(name)?.shape;
    check(`weight ${name}`, `there, with an axis ${axis}`, shape, shape?.[axis] !== undefined);
    return shape![axis]!;
  };
  const hiddenSize = dim('pos_embed', 2);
  const patchSize = dim('x_embedder.proj.weight', 2);
  const blocks = [...weights.keys()].map((name) => /^blocks\.(\d+)\./.exec(name)?.[1] ?? -1);
  const config: DitConfig = {
    inputSize: Math.sqrt(dim('pos_embed', 1)) * patchSize,
    patchSize,
    channels: dim('x_embedder.proj.weight', 1),
    hiddenSize,
    depth: 1 + blocks.reduce<number>((max, block) => Math.max(max, Number(block)), -1),
    numHeads,
    mlpRatio: dim('blocks.0.mlp.fc1.weight', 0) / hiddenSize,
    numClasses: dim('y_embedder.embedding_table.weight', 0) - 1,
  };
  checkDitConfig(config);
  checkDitWeights(config, weights);
  return config;
}

/** The number of tokens of a sample. */
export function tokensOf({ inputSize, patchSize }: DitConfig): number {
  return (inputSize / patchSize) ** 2;
}

function isSize(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}

function check(argument: string, wanted: string, got: unknown, right: boolean): void {
  if (!right) throw new InvalidArgumentError('buildDit', argument, wanted, `${got ?? 'none'}`);
}
