import type { io } from '@tensorflow/tfjs-core';
import { attr } from '../../src/graph/attrs.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Ref } from '../../src/graph/ir.js';
import { selfAttention } from './attention.js';
import {
  checkDitConfig,
  checkDitWeights,
  type DitConfig,
  type DitWeights,
  FREQUENCY_SIZE,
  tokensOf,
} from './ditConfig.js';
import { Layers } from './layers.js';
import { linearOf, patchLinearOf, valuesOf } from './linear.js';

export type { WeightValues } from '../../src/load/safetensors.js';
export {
  type DitConfig,
  type DitWeights,
  ditConfigOf,
  ditWeightShapes,
  type LinearStyle,
} from './ditConfig.js';

/**
 * A diffusion transformer (adaLN-Zero, as facebookresearch/DiT) for a rectified flow, as a tfjs
 * graph model.
 *
 * Inputs: `latent` float32 [B, S, S, C] (NHWC), `timestep` float32 [B] in [0, 1] (0 is noise, 1 is
 * data), `label` int32 [B] in [0, numClasses]. Output: `velocity` float32 [B, S, S, C]. B is free.
 * The config is in `userDefinedMetadata.dit`.
 *
 * @throws InvalidArgumentError for a config that does not fit itself, or weights that do not fit
 * the config.
 */
export function buildDit(config: DitConfig, weights: DitWeights): io.ModelArtifacts {
  checkDitConfig(config);
  checkDitWeights(config, weights);
  const graph = new GraphBuilder();
  const { inputSize: size, channels } = config;
  const latent = graph.placeholder('latent', [-1, size, size, channels]);
  const timestep = graph.placeholder('timestep', [-1]);
  const label = graph.placeholder('label', [-1], 'int32');
  const dit = new Dit(config, weights, new Layers(graph, config.linear ?? 'fusedMatMul'));
  const condition = dit.condition(timestep, label);
  let x = dit.patches(latent);
  for (let block = 0; block < config.depth; block++) {
    x = dit.block(`blocks/${block}`, x, condition);
  }
  dit.velocity(x, condition);
  return { ...graph.build(['velocity']), userDefinedMetadata: { dit: { ...config } } };
}

class Dit {
  private readonly tokens: number;
  private readonly d: number;

  constructor(
    private readonly config: DitConfig,
    private readonly weights: DitWeights,
    private readonly layers: Layers,
  ) {
    this.tokens = tokensOf(config);
    this.d = config.hiddenSize;
  }

  /** [B, S, S, C] → tokens [B, T, d]: one linear on each patch, plus the positions. */
  patches(latent: Ref): Ref {
    const { layers, tokens, d } = this;
    const { patchSize: p, channels } = this.config;
    const grid = this.config.inputSize / p;
    const cut = layers.reshape('x_embedder/cut', latent, [-1, grid, p, grid, p * channels]);
    const transposed = layers.transpose('x_embedder/turn', cut, [0, 1, 3, 2, 4]);
    const flat = layers.reshape('x_embedder/flat', transposed, [-1, tokens, p * p * channels]);
    const linear = patchLinearOf(this.weights, 'x_embedder.proj', channels, p);
    const x = layers.tokenLinear('x_embedder/proj', flat, linear, tokens);
    const values = valuesOf(this.weights, 'pos_embed');
    const positions = layers.graph.constant('pos_embed', [1, tokens, d], values);
    return layers.add('x_embedder/add', x, positions);
  }

  /** timestep [B] and label [B] → SiLU of the condition, [B, d]. */
  condition(timestep: Ref, label: Ref): Ref {
    const { layers } = this;
    const half = FREQUENCY_SIZE / 2;
    const frequencies = Float32Array.from({ length: half }, (_, i) => 10000 ** (-i / half));
    const row = layers.graph.constant('t_embedder/frequencies', [1, half], frequencies);
    const millis = layers.mul('t_embedder/mul', timestep, layers.scalar(1000));
    const column = layers.reshape('t_embedder/Reshape', millis, [-1, 1]);
    const angles = layers.mul('t_embedder/angles', column, row);
    const cos = layers.graph.node('Cos', 't_embedder/Cos', [angles]);
    const sin = layers.graph.node('Sin', 't_embedder/Sin', [angles]);
    const axis = layers.graph.constant('t_embedder/axis', [], Int32Array.of(1));
    const waves = layers.graph.node('ConcatV2', 't_embedder/concat', [cos, sin, axis], {
      N: attr.int(2),
    });
    const hidden = this.linear('t_embedder/mlp/0', waves);
    const time = this.linear('t_embedder/mlp/2', layers.silu('t_embedder/mlp/1', hidden));
    const sum = layers.add('condition/add', time, this.labels(label));
    return layers.silu('condition', sum);
  }

  /**
   * One transformer block: attention and an MLP, each normed, modulated and gated by the condition.
   */
  block(name: string, x: Ref, condition: Ref): Ref {
    const { layers, weights } = this;
    const parts = this.modulation(name, condition, 6);
    const first = this.modulated(`${name}/norm1`, x, parts[0]!, parts[1]!);
    const attended = selfAttention(layers, this.config, `${name}/attn`, first, {
      qkv: linearOf(weights, keyOf(`${name}/attn/qkv`)),
      proj: linearOf(weights, keyOf(`${name}/attn/proj`)),
    });
    const middle = layers.add(`${name}/add`, x, layers.mul(`${name}/mul`, parts[2]!, attended));
    const second = this.modulated(`${name}/norm2`, middle, parts[3]!, parts[4]!);
    const wide = layers.gelu(`${name}/mlp/act`, this.tokenLinear(`${name}/mlp/fc1`, second));
    const narrow = this.tokenLinear(`${name}/mlp/fc2`, wide);
    return layers.add(`${name}/add_1`, middle, layers.mul(`${name}/mul_1`, parts[5]!, narrow));
  }

  /** Tokens → the output `velocity` [B, S, S, C]. */
  velocity(x: Ref, condition: Ref): Ref {
    const { layers } = this;
    const { inputSize: size, patchSize: p, channels } = this.config;
    const grid = size / p;
    const [shift, scale] = this.modulation('final_layer', condition, 2);
    const normed = this.modulated('final_layer/norm_final', x, shift!, scale!);
    const flat = this.tokenLinear('final_layer/linear', normed);
    const cut = layers.reshape('final_layer/cut', flat, [-1, grid, grid, p, p * channels]);
    const transposed = layers.transpose('final_layer/turn', cut, [0, 1, 3, 2, 4]);
    return layers.reshape('velocity', transposed, [-1, size, size, channels]);
  }

  /** `count` parts of what the condition says at a layer, each [B, 1, d]. */
  private modulation(name: string, condition: Ref, count: number): Ref[] {
    const { layers } = this;
    const key = `${keyOf(name)}.adaLN_modulation.1`;
    const all = layers.linear(`${name}/adaLN_modulation`, condition, linearOf(this.weights, key));
    return layers
      .split(`${name}/split`, all, 1, count)
      .map((part, i) => layers.reshape(`${name}/part_${i}`, part, [-1, 1, this.d]));
  }

  /** norm(x) · (1 + scale) + shift. */
  private modulated(name: string, x: Ref, shift: Ref, scale: Ref): Ref {
    const { layers } = this;
    const normed = layers.layerNorm(name, x);
    const factor = layers.add(`${name}/scale`, scale, layers.scalar(1));
    return layers.add(`${name}/modulated`, layers.mul(`${name}/scaled`, normed, factor), shift);
  }

  private labels(label: Ref): Ref {
    const { graph } = this.layers;
    const values = valuesOf(this.weights, 'y_embedder.embedding_table.weight');
    const table = graph.constant('y_embedder/table', [values.length / this.d, this.d], values);
    const axis = graph.constant('y_embedder/axis', [], Int32Array.of(0));
    return graph.node('GatherV2', 'y_embedder/GatherV2', [table, label, axis]);
  }

  private linear(name: string, x: Ref): Ref {
    return this.layers.linear(name, x, linearOf(this.weights, keyOf(name)));
  }

  private tokenLinear(name: string, x: Ref): Ref {
    const linear = linearOf(this.weights, keyOf(name));
    return this.layers.tokenLinear(name, x, linear, this.tokens);
  }
}

/** The name of a weight from that of the nodes it belongs to. */
function keyOf(name: string): string {
  return name.replaceAll('/', '.');
}
