import { type Fields, type Json, readConfig, readSize } from '../../../ops/common/configs.js';
import { readBoolean, readFinite } from '../../../ops/common/readers.js';
import type { Ref } from '../../graph/ir.js';
import { attention } from '../net/attention.js';
import {
  patches,
  patchLinear,
  positions,
  prediction,
  twoLinears,
  WAVES,
  waves,
} from '../net/embeddings.js';
import { type Net, nameOf, type Tokens } from '../net/net.js';
import { type Architecture, checkNoText, gridOf } from './architecture.js';

/** What the graph of a DiTTransformer2DModel depends on. */
interface Config {
  readonly num_attention_heads: number;
  readonly attention_head_dim: number;
  readonly in_channels: number;
  readonly out_channels: number | null;
  readonly num_layers: number;
  readonly sample_size: number;
  readonly patch_size: number;
  readonly num_embeds_ada_norm: number;
  readonly norm_eps: number;
  readonly attention_bias: boolean;
}

const FIELDS: Fields<Config> = {
  read: {
    num_attention_heads: { read: readSize, absent: 16 },
    attention_head_dim: { read: readSize, absent: 72 },
    in_channels: { read: readSize, absent: 4 },
    out_channels: { read: readSize, absent: null },
    num_layers: { read: readSize, absent: 28 },
    sample_size: { read: readSize, absent: 32 },
    patch_size: { read: readSize, absent: 2 },
    num_embeds_ada_norm: { read: readSize, absent: 1000 },
    norm_eps: { read: readFinite, absent: 1e-5 },
    attention_bias: { read: readBoolean, absent: true },
  },
  only: {
    activation_fn: ['gelu-approximate', null],
    norm_type: ['ada_norm_zero', null],
    norm_elementwise_affine: [false, null],
    cross_attention_dim: [null],
    caption_channels: [null],
    only_cross_attention: [false, null],
    double_self_attention: [false, null],
    attention_type: ['default', null],
    num_vector_embeds: [null],
  },
  ignored: ['dropout', 'norm_num_groups', 'upcast_attention', 'use_linear_projection'],
};

/**
 * diffusers' DiTTransformer2DModel, and Transformer2DModel with norm_type ada_norm_zero.
 *
 * Inputs: `latent` float32 [B, H, W, in_channels], `timestep` float32 [B] in [0, 1000), `label`
 * int32 [B], the last of which is none. Output: `prediction` [B, H, W, out_channels].
 */
export const DIT: Architecture = {
  build: (net, json, sizes) => {
    checkNoText(net.op, sizes);
    const config = readConfig(net.op, json, FIELDS);
    const { sample_size: size, patch_size: p, in_channels: channels } = config;
    const d = config.num_attention_heads * config.attention_head_dim;
    const grid = gridOf(net.op, sizes, size, p);
    const shape = [-1, grid.height * p, grid.width * p, channels];
    const latent = net.graph.placeholder('latent', shape);
    const timestep = net.graph.placeholder('timestep', [-1]);
    const label = net.graph.placeholder('label', [-1], 'int32');
    const cut = patches(net, 'pos_embed', latent, grid, p, channels);
    const embedded = patchLinear(net, 'pos_embed.proj', cut, d, p);
    const table = positions(grid, d, Math.floor(size / p), 1);
    const places = net.graph.constant('pos_embed/table', [1, embedded.tokens, d], table);
    let x: Tokens = { ...embedded, ref: net.add('pos_embed/sum', embedded.ref, places) };
    const times = waves(net, 'time', timestep, 1);
    // each block has a condition of its own; the first one's is the last layer's too
    const own = net.copies ? 1 : config.num_layers;
    const conditions = Array.from({ length: own }, (_, i) =>
      conditionOf(net, `transformer_blocks.${i}.norm1.emb`, config, d, times, label),
    );
    if (net.copies) net.leave(embedders(config).flatMap(([, ...names]) => names));
    for (let i = 0; i < config.num_layers; i++) {
      x = block(net, `transformer_blocks.${i}`, config, x, conditions[i] ?? conditions[0]!);
    }
    const [shift, scale] = net.modulation('proj_out_1', conditions[0]!, d, 2);
    const last = net.modulated('norm_out', net.normed('norm_out', x), shift!, scale!);
    const outputs = p * p * (config.out_channels ?? channels);
    return prediction(net, net.linear('proj_out_2', last, outputs), grid, p);
  },
  copies: (op, json) => embedders(readConfig(op, json, FIELDS)),
};

/** What embeds timestep and label, of all blocks: in what was converted from DiT, copies. */
function embedders({ num_layers: layers }: Config): string[][] {
  const tensors = [
    ...['timestep_embedder.linear_1.weight', 'timestep_embedder.linear_1.bias'],
    ...['timestep_embedder.linear_2.weight', 'timestep_embedder.linear_2.bias'],
    'class_embedder.embedding_table.weight',
  ];
  return tensors.map((name) =>
    Array.from({ length: layers }, (_, i) => `transformer_blocks.${i}.norm1.emb.${name}`),
  );
}

/** SiLU of what timestep and label are embedded as, [B, d]. */
function conditionOf(
  net: Net,
  key: string,
  { num_embeds_ada_norm: classes }: Config,
  d: number,
  times: Ref,
  label: Ref,
): Ref {
  const name = nameOf(key);
  const time = twoLinears(net, `${key}.timestep_embedder`, times, [WAVES, d, d]);
  const table = net.weight(`${key}.class_embedder.embedding_table.weight`, [classes + 1, d]);
  const axis = net.graph.integers(`${name}/axis`, [0], true);
  const labels = net.graph.node('GatherV2', `${name}/label`, [table, label, axis]);
  return net.silu(`${name}/condition`, net.add(`${name}/sum`, time, labels));
}

function block(net: Net, key: string, config: Config, x: Tokens, condition: Ref): Tokens {
  const name = nameOf(key);
  const heads = { heads: config.num_attention_heads, headSize: config.attention_head_dim };
  const [shift, scale, gate, shift2, scale2, gate2] = net.modulation(
    `${key}.norm1.linear`,
    condition,
    x.d,
    6,
  );
  const first = net.modulated(`${name}/norm1`, net.normed(`${name}/norm1`, x), shift!, scale!);
  const attended = attention(net, `${key}.attn1`, first, heads, {
    projectionBias: config.attention_bias,
  });
  const middle = net.residual(`${name}/attn1`, x, attended, gate!);
  const normed = net.normed(`${name}/norm3`, middle, config.norm_eps);
  const second = net.modulated(`${name}/norm3`, normed, shift2!, scale2!);
  return net.residual(`${name}/ff`, middle, net.feedForward(`${key}.ff`, second), gate2!);
}

/** What a Transformer2DModel means by the fields that its config leaves out. */
export function asTransformer2d(config: Json): Json {
  const absent = {
    activation_fn: 'geglu',
    attention_bias: false,
    norm_elementwise_affine: true,
    norm_type: 'layer_norm',
  };
  return { ...absent, ...config };
}
