import type { io } from '@tensorflow/tfjs-core';
import { attr } from '../../src/graph/attrs.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Ref } from '../../src/graph/ir.js';
import { InvalidArgumentError } from '../../src/index.js';
import type { WeightValues } from '../../src/load/safetensors.js';
import type { DitWeights } from '../builder/ditConfig.js';

/** Height and width of the pictures that the network reads. */
export const FEATURE_PICTURE_SIZE = 32;

/** Width of the network's features. */
export const FEATURES = 128;

/**
 * Channels and stride of each 3×3 convolution, as models/research/training/features.py trained
 * them.
 */
const LAYERS = [
  [32, 1],
  [64, 2],
  [64, 1],
  [128, 2],
  [128, 1],
  [FEATURES, 2],
] as const;

/** A categorical property of the pictures of one class. */
export interface FeatureHead {
  /** The class whose pictures have it. */
  readonly label: number;
  readonly name: string;
  readonly values: readonly string[];
}

/** What a feature network tells apart. */
export interface FeatureNetworkConfig {
  readonly classes: readonly string[];
  readonly heads: readonly FeatureHead[];
}

/**
 * The graph of a feature network: convolutions with ReLU, the mean over the picture, and linear
 * heads.
 *
 * Input `picture` float32 [B, 32, 32, 3] in [−1, 1]; outputs `features` [B, 128], `classes` [B,
 * classes] and, where there are heads, `attributes` [B, values of all heads], logits.
 *
 * @param weights By features.py's names, in PyTorch's layouts.
 * @throws InvalidArgumentError for a weight that is missing or of another shape.
 */
export function buildFeatureNetwork(
  config: FeatureNetworkConfig,
  weights: DitWeights,
): io.ModelArtifacts {
  const graph = new GraphBuilder();
  const size = FEATURE_PICTURE_SIZE;
  let x = graph.placeholder('picture', [-1, size, size, 3]);
  let channels = 3;
  for (const [i, [width, stride]] of LAYERS.entries()) {
    const name = `convs.${i}`;
    const kernel = read(weights, `${name}.weight`, [width, channels, 3, 3]);
    const bias = read(weights, `${name}.bias`, [width]);
    const filter = graph.constant(`${name}/kernel`, [3, 3, channels, width], channelsLast(kernel));
    const sum = graph.node('Conv2D', `${name}/Conv2D`, [x, filter], {
      strides: attr.ints([1, stride, stride, 1]),
      dilations: attr.ints([1, 1, 1, 1]),
      padding: attr.string('SAME'),
      data_format: attr.string('NHWC'),
    });
    const shift = graph.constant(`${name}/bias`, [width], bias.values);
    x = graph.node('Relu', `${name}/Relu`, [
      graph.node('BiasAdd', `${name}/BiasAdd`, [sum, shift]),
    ]);
    channels = width;
  }
  const axes = graph.constant('axes', [2], Int32Array.of(1, 2));
  const features = graph.node('Mean', 'features', [x, axes], { keep_dims: attr.bool(false) });
  const outputs = [
    features,
    head(graph, 'classes', features, config.classes.length, weights, 'style'),
  ];
  const values = config.heads.reduce((sum, { values }) => sum + values.length, 0);
  if (values > 0) outputs.push(head(graph, 'attributes', features, values, weights, 'attributes'));
  return { ...graph.build(outputs), userDefinedMetadata: { features: config } };
}

function head(
  graph: GraphBuilder,
  name: string,
  x: Ref,
  width: number,
  weights: DitWeights,
  from: string,
): Ref {
  const matrix = read(weights, `${from}.weight`, [width, FEATURES]);
  const bias = read(weights, `${from}.bias`, [width]);
  const kernel = graph.constant(`${name}/kernel`, [width, FEATURES], matrix.values);
  const product = graph.node('MatMul', `${name}/MatMul`, [x, kernel], {
    transpose_a: attr.bool(false),
    transpose_b: attr.bool(true),
  });
  return graph.node('BiasAdd', name, [
    product,
    graph.constant(`${name}/bias`, [width], bias.values),
  ]);
}

function read(weights: DitWeights, name: string, shape: readonly number[]): WeightValues {
  const weight = weights.get(name);
  if (weight !== undefined && `${weight.shape}` === `${shape}`) return weight;
  const got = weight === undefined ? 'none' : `[${weight.shape}]`;
  throw new InvalidArgumentError(
    'buildFeatureNetwork',
    `weight ${name}`,
    `of shape [${shape}]`,
    got,
  );
}

/** [out, in, 3, 3] → [3, 3, in, out]. */
function channelsLast({ shape, values }: WeightValues): Float32Array {
  const [outs, ins] = shape as [number, number];
  const moved = new Float32Array(values.length);
  for (let o = 0, at = 0; o < outs; o++) {
    for (let i = 0; i < ins; i++) {
      for (let tap = 0; tap < 9; tap++, at++) moved[(tap * ins + i) * outs + o] = values[at]!;
    }
  }
  return moved;
}
