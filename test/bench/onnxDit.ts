import {
  type DitConfig,
  type DitWeights,
  FREQUENCY_SIZE,
  tokensOf,
} from '../../models/builder/ditConfig.js';
import { linearOf, patchLinearOf, valuesOf } from '../../models/builder/linear.js';
import { addLinear, type OnnxPrecision } from './onnxLinear.js';
import { OnnxBuilder, type OnnxRef } from './onnxModel.js';

/** How a DiT is written in ONNX. */
export interface OnnxDitOptions {
  /** Samples. Default 1. */
  readonly batch?: number;
  /** In nodes as torch.onnx writes them, or ONNX Runtime's own op. Default 'nodes'. */
  readonly attention?: 'nodes' | 'MultiHeadAttention';
  /** Whether all blocks read the weights of the first: a file has 2 GiB at most. Default false. */
  readonly oneBlock?: boolean;
}

/**
 * The DiT of models/builder/dit.ts as torch.onnx would write it: LayerNormalization and Gelu are
 * one node each, SiLU, the modulation and attention are spelled out. Inputs and output have the
 * names and shapes of the graph model's, with a fixed batch.
 */
export function onnxDit(
  config: DitConfig,
  weights: DitWeights,
  precision: OnnxPrecision,
  { batch = 1, attention = 'nodes', oneBlock = false }: OnnxDitOptions = {},
): Uint8Array {
  const { inputSize: size, channels } = config;
  const graph = new OnnxBuilder();
  const latent = graph.input('latent', 'float32', [batch, size, size, channels]);
  const timestep = graph.input('timestep', 'float32', [batch]);
  const label = graph.input('label', 'int32', [batch]);
  const options = { batch, attention, oneBlock };
  const dit = new OnnxDit(graph, config, weights, precision, options);
  const condition = dit.condition(timestep, label);
  let x = dit.patches(latent);
  for (let block = 0; block < config.depth; block++) {
    x = dit.block(`blocks/${block}`, x, condition);
  }
  return graph.build(dit.velocity(x, condition), 'float32', [batch, size, size, channels]);
}

class OnnxDit {
  private readonly batch: number;
  private readonly tokens: number;
  private readonly d: number;

  constructor(
    private readonly graph: OnnxBuilder,
    private readonly config: DitConfig,
    private readonly weights: DitWeights,
    private readonly precision: OnnxPrecision,
    private readonly options: Required<OnnxDitOptions>,
  ) {
    this.batch = options.batch;
    this.tokens = tokensOf(config);
    this.d = config.hiddenSize;
  }

  /** [B, S, S, C] → tokens [B, T, d]. */
  patches(latent: OnnxRef): OnnxRef {
    const { graph, batch, tokens, d, weights, precision } = this;
    const { patchSize: p, channels, inputSize } = this.config;
    const grid = inputSize / p;
    const cut = this.reshape('x_embedder/cut', latent, [batch, grid, p, grid, p * channels]);
    const transposed = this.transpose('x_embedder/turn', cut, [0, 1, 3, 2, 4]);
    const flat = this.reshape('x_embedder/flat', transposed, [batch, tokens, p * p * channels]);
    const linear = patchLinearOf(weights, 'x_embedder.proj', channels, p);
    const x = addLinear(graph, 'x_embedder/proj', flat, linear, precision);
    const positions = graph.constant('pos_embed', [1, tokens, d], valuesOf(weights, 'pos_embed'));
    return graph.node('Add', 'x_embedder/add', [x, positions]);
  }

  /** timestep [B] and label [B] → SiLU of the condition, [B, d]. */
  condition(timestep: OnnxRef, label: OnnxRef): OnnxRef {
    const { graph, d } = this;
    const half = FREQUENCY_SIZE / 2;
    const frequencies = Float32Array.from({ length: half }, (_, i) => 1000 * 10000 ** (-i / half));
    const row = graph.constant('t_embedder/frequencies', [1, half], frequencies);
    const column = this.reshape('t_embedder/column', timestep, [this.batch, 1]);
    const angles = graph.node('Mul', 't_embedder/angles', [column, row]);
    const parts = ['Cos', 'Sin'].map((op) => graph.node(op, `t_embedder/${op}`, [angles]));
    const waves = graph.node('Concat', 't_embedder/concat', parts, { axis: { i: 1 } });
    const hidden = this.silu('t_embedder/silu', this.linear('t_embedder/mlp/0', waves));
    const time = this.linear('t_embedder/mlp/2', hidden);
    const values = valuesOf(this.weights, 'y_embedder.embedding_table.weight');
    const table = graph.constant('y_embedder/table', [values.length / d, d], values);
    const labels = graph.node('Gather', 'y_embedder/Gather', [table, label], { axis: { i: 0 } });
    return this.silu('condition', graph.node('Add', 'condition/add', [time, labels]));
  }

  block(name: string, x: OnnxRef, condition: OnnxRef): OnnxRef {
    const { graph } = this;
    const parts = this.modulation(name, condition, 6);
    const attended = this.attention(
      `${name}/attn`,
      this.modulated(`${name}/norm1`, x, parts[0]!, parts[1]!),
    );
    const middle = this.gated(`${name}/add`, x, parts[2]!, attended);
    const second = this.modulated(`${name}/norm2`, middle, parts[3]!, parts[4]!);
    const wide = this.linear(`${name}/mlp/fc1`, second);
    const bent = graph.node('Gelu', `${name}/mlp/act`, [wide], { approximate: { s: 'tanh' } });
    return this.gated(`${name}/add_1`, middle, parts[5]!, this.linear(`${name}/mlp/fc2`, bent));
  }

  /** Tokens → `velocity` [B, S, S, C]. */
  velocity(x: OnnxRef, condition: OnnxRef): OnnxRef {
    const { inputSize: size, patchSize: p, channels } = this.config;
    const grid = size / p;
    const [shift, scale] = this.modulation('final_layer', condition, 2);
    const normed = this.modulated('final_layer/norm_final', x, shift!, scale!);
    const flat = this.linear('final_layer/linear', normed);
    const cut = this.reshape('final_layer/cut', flat, [this.batch, grid, grid, p, p * channels]);
    const transposed = this.transpose('final_layer/turn', cut, [0, 1, 3, 2, 4]);
    return this.reshape('velocity', transposed, [this.batch, size, size, channels]);
  }

  private attention(name: string, x: OnnxRef): OnnxRef {
    const { graph, batch, tokens, d } = this;
    const heads = this.config.numHeads;
    const all = this.linear(`${name}/qkv`, x);
    if (this.options.attention === 'MultiHeadAttention') {
      return this.linear(`${name}/proj`, this.inOneOp(name, all));
    }
    const cut = this.reshape(`${name}/heads`, all, [batch, tokens, 3, heads, d / heads]);
    const transposed = this.transpose(`${name}/turn`, cut, [2, 0, 3, 1, 4]);
    const parts = graph
      .nodeOf('Split', `${name}/split`, [transposed], 3, { axis: { i: 0 }, num_outputs: { i: 3 } })
      .map((part, i) => this.reshape(`${name}/part_${i}`, part, [batch, heads, tokens, d / heads]));
    const [q, k, v] = parts as [OnnxRef, OnnxRef, OnnxRef];
    const keys = this.transpose(`${name}/keys`, k, [0, 1, 3, 2]);
    const dots = graph.node('MatMul', `${name}/scores`, [q, keys]);
    const scaled = graph.node('Mul', `${name}/scale`, [dots, graph.scalar((d / heads) ** -0.5)]);
    const shares = graph.node('Softmax', `${name}/Softmax`, [scaled], { axis: { i: -1 } });
    const mixed = graph.node('MatMul', `${name}/mix`, [shares, v]);
    const back = this.transpose(`${name}/back`, mixed, [0, 2, 1, 3]);
    return this.linear(`${name}/proj`, this.reshape(`${name}/join`, back, [batch, tokens, d]));
  }

  /** Queries, keys and values [B, T, 3 d] → [B, T, d]. */
  private inOneOp(name: string, all: OnnxRef): OnnxRef {
    const attrs = { axis: { i: 2 }, num_outputs: { i: 3 } };
    const parts = this.graph.nodeOf('Split', `${name}/split`, [all], 3, attrs);
    const heads = { num_heads: { i: this.config.numHeads } };
    return this.graph.node('MultiHeadAttention', `${name}/attention`, parts, heads);
  }

  /** x + gate · y. */
  private gated(name: string, x: OnnxRef, gate: OnnxRef, y: OnnxRef): OnnxRef {
    return this.graph.node('Add', name, [x, this.graph.node('Mul', `${name}/mul`, [gate, y])]);
  }

  /** `count` parts of what the condition says at a layer, each [B, 1, d]. */
  private modulation(name: string, condition: OnnxRef, count: number): OnnxRef[] {
    const all = this.linear(`${name}/adaLN_modulation`, condition, '.1');
    const attrs = { axis: { i: 1 }, num_outputs: { i: count } };
    return this.graph
      .nodeOf('Split', `${name}/split`, [all], count, attrs)
      .map((part, i) => this.reshape(`${name}/part_${i}`, part, [this.batch, 1, this.d]));
  }

  /** norm(x) · (1 + scale) + shift. */
  private modulated(name: string, x: OnnxRef, shift: OnnxRef, scale: OnnxRef): OnnxRef {
    const { graph, d } = this;
    const [ones] = graph.once('ones', () => [
      graph.constant('ones', [d], new Float32Array(d).fill(1)),
    ]);
    const attrs = { axis: { i: -1 }, epsilon: { f: 1e-6 } };
    const normed = graph.node('LayerNormalization', name, [x, ones!], attrs);
    const factor = graph.node('Add', `${name}/scale`, [scale, graph.scalar(1)]);
    const scaled = graph.node('Mul', `${name}/scaled`, [normed, factor]);
    return graph.node('Add', `${name}/modulated`, [scaled, shift]);
  }

  private silu(name: string, x: OnnxRef): OnnxRef {
    return this.graph.node('Mul', name, [x, this.graph.node('Sigmoid', `${name}/Sigmoid`, [x])]);
  }

  /** @param layer Of the weights' name, behind that of the nodes. */
  private linear(name: string, x: OnnxRef, layer = ''): OnnxRef {
    const source = this.options.oneBlock ? name.replace(/^blocks\/\d+/, 'blocks/0') : name;
    const linear = linearOf(this.weights, `${keyOf(source)}${layer}`);
    return addLinear(this.graph, name, x, linear, this.precision, source);
  }

  private reshape(name: string, x: OnnxRef, shape: readonly number[]): OnnxRef {
    return this.graph.node('Reshape', name, [x, this.graph.ints(shape)]);
  }

  private transpose(name: string, x: OnnxRef, perm: readonly number[]): OnnxRef {
    return this.graph.node('Transpose', name, [x], { perm: { ints: perm } });
  }
}

/** The name of a weight from that of the nodes it belongs to. */
function keyOf(name: string): string {
  return name.replaceAll('/', '.');
}
