import { type Fields, readConfig, readSize } from '../../../ops/common/configs.js';
import { readBoolean, readFinite } from '../../../ops/common/readers.js';
import { attr } from '../../graph/attrs.js';
import type { Ref } from '../../graph/ir.js';
import { CheckpointError } from '../base/errors.js';
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
import { type Architecture, gridOf } from './architecture.js';

/** What the graph of a PixArtTransformer2DModel depends on. */
interface Config {
  readonly num_attention_heads: number;
  readonly attention_head_dim: number;
  readonly in_channels: number;
  readonly out_channels: number | null;
  readonly num_layers: number;
  readonly cross_attention_dim: number;
  readonly caption_channels: number | null;
  readonly sample_size: number;
  readonly patch_size: number;
  readonly norm_eps: number;
  readonly interpolation_scale: number | null;
  readonly use_additional_conditions: boolean | null;
  readonly attention_bias: boolean;
}

const FIELDS: Fields<Config> = {
  read: {
    num_attention_heads: { read: readSize, absent: 16 },
    attention_head_dim: { read: readSize, absent: 72 },
    in_channels: { read: readSize, absent: 4 },
    out_channels: { read: readSize, absent: null },
    num_layers: { read: readSize, absent: 28 },
    cross_attention_dim: { read: readSize, absent: 1152 },
    caption_channels: { read: readSize, absent: null },
    sample_size: { read: readSize, absent: 128 },
    patch_size: { read: readSize, absent: 2 },
    norm_eps: { read: readFinite, absent: 1e-6 },
    interpolation_scale: { read: readFinite, absent: null },
    use_additional_conditions: { read: readBoolean, absent: null },
    attention_bias: { read: readBoolean, absent: true },
  },
  only: {
    activation_fn: ['gelu-approximate', null],
    norm_type: ['ada_norm_single', null],
    norm_elementwise_affine: [false, null],
    only_cross_attention: [false, null],
    double_self_attention: [false, null],
    attention_type: ['default', null],
    num_vector_embeds: [null],
  },
  ignored: [
    'dropout',
    'norm_num_groups',
    'upcast_attention',
    'use_linear_projection',
    'num_embeds_ada_norm',
  ],
};

/** Of PixArt-Σ; α has 120. */
const TEXT_TOKENS = 300;

/**
 * diffusers' PixArtTransformer2DModel (α and Σ), and Transformer2DModel with norm_type
 * ada_norm_single.
 *
 * Inputs: `latent` float32 [B, H, W, in_channels], `timestep` float32 [B] in [0, 1000), `text`
 * float32 [B, textTokens, caption_channels], `textMask` int32 [B, textTokens], 1 for tokens that
 * count; with micro-conditioning `resolution` float32 [B, 2] (height, width in pixels) and
 * `aspectRatio` float32 [B, 1]. Output: `prediction` [B, H, W, out_channels].
 */
export const PIXART: Architecture = {
  build: (net, json, sizes) => {
    const config = readConfig(net.op, json, FIELDS);
    const { sample_size: size, patch_size: p, in_channels: channels } = config;
    const d = config.num_attention_heads * config.attention_head_dim;
    const grid = gridOf(net.op, sizes, size, p);
    const shape = [-1, grid.height * p, grid.width * p, channels];
    const latent = net.graph.placeholder('latent', shape);
    const condition = conditionOf(net, config, d);
    const all = net.rowLinear('adaln_single.linear', net.silu('condition', condition), d, 6 * d);
    const modulation = net.reshape('adaln_single/parts', all, [-1, 6, d]);
    const text = textOf(net, config, d, sizes.textTokens ?? TEXT_TOKENS);
    const cut = patches(net, 'pos_embed', latent, grid, p, channels);
    const embedded = patchLinear(net, 'pos_embed.proj', cut, d, p);
    const scaled = config.interpolation_scale ?? Math.max(Math.floor(size / 64), 1);
    const table = positions(grid, d, Math.floor(size / p), scaled);
    const places = net.graph.constant('pos_embed/table', [1, embedded.tokens, d], table);
    let x: Tokens = { ...embedded, ref: net.add('pos_embed/sum', embedded.ref, places) };
    for (let i = 0; i < config.num_layers; i++) {
      x = block(net, `transformer_blocks.${i}`, config, { x, modulation, ...text });
    }
    const row = net.reshape('norm_out/condition', condition, [-1, 1, d]);
    const [shift, scale] = tableParts(net, 'scale_shift_table', row, d, 2);
    const last = net.modulated('norm_out', net.normed('norm_out', x), shift!, scale!);
    const outputs = p * p * (config.out_channels ?? channels);
    return prediction(net, net.linear('proj_out', last, outputs), grid, p);
  },
};

/** Timestep and, where the model was trained with them, size and aspect ratio: [B, d]. */
function conditionOf(net: Net, config: Config, d: number): Ref {
  const key = 'adaln_single.emb';
  const timestep = net.graph.placeholder('timestep', [-1]);
  const times = waves(net, 'time', timestep, 0);
  const time = twoLinears(net, `${key}.timestep_embedder`, times, [WAVES, d, d]);
  if (!(config.use_additional_conditions ?? config.sample_size === 128)) return time;
  const size = Math.floor(d / 3);
  const parts = (['resolution', 'aspectRatio'] as const).map((name, i) => {
    const count = 2 - i;
    const input = net.graph.placeholder(name, [-1, count]);
    const embedder = ['resolution_embedder', 'aspect_ratio_embedder'][i];
    const each = twoLinears(net, `${key}.${embedder}`, waves(net, `${name}/waves`, input, 0), [
      WAVES,
      size,
      size,
    ]);
    return net.reshape(`${name}/row`, each, [-1, count * size]);
  });
  return net.add('condition/sum', time, net.graph.concat('condition/sizes', parts, 1));
}

/** The captions as the blocks read them, and what hides their padding: [B, 1, 1, tokens]. */
function textOf(net: Net, config: Config, d: number, tokens: number): { text: Tokens; bias: Ref } {
  const { caption_channels: caption, cross_attention_dim: wanted } = config;
  if (caption !== null && wanted !== d) {
    const problem = `config.json has cross_attention_dim = ${wanted}; captions have ${d} channels.`;
    throw new CheckpointError(net.op, problem);
  }
  const width = caption ?? wanted;
  const given = net.graph.placeholder('text', [-1, tokens, width]);
  const mask = net.graph.placeholder('textMask', [-1, tokens], 'int32');
  const counts = net.graph.node('Cast', 'textMask/float', [mask], {
    SrcT: attr.type('int32'),
    DstT: attr.type('float32'),
    Truncate: attr.bool(false),
  });
  const wide = net.reshape('textMask/wide', counts, [-1, 1, 1, tokens]);
  const hidden = net.graph.node('Sub', 'textMask/hidden', [net.scalar(1), wide]);
  const bias = net.mul('textMask/bias', hidden, net.scalar(-10000));
  const text = { ref: given, tokens, d: width };
  if (caption === null) return { text, bias };
  // what stands for no caption, which pipelines give as text: older diffusers kept it here
  net.leave(['caption_projection.y_embedding']);
  const first = net.linear('caption_projection.linear_1', text, d);
  const active = { ...first, ref: net.gelu('caption_projection/act', first.ref) };
  return { text: net.linear('caption_projection.linear_2', active, d), bias };
}

interface BlockInputs {
  readonly x: Tokens;
  /** [B, 6, d]. */
  readonly modulation: Ref;
  readonly text: Tokens;
  readonly bias: Ref;
}

function block(net: Net, key: string, config: Config, given: BlockInputs): Tokens {
  const { x, modulation, text, bias } = given;
  const name = nameOf(key);
  const heads = { heads: config.num_attention_heads, headSize: config.attention_head_dim };
  const projectionBias = config.attention_bias;
  const [shift, scale, gate, shift2, scale2, gate2] = tableParts(
    net,
    `${key}.scale_shift_table`,
    modulation,
    x.d,
    6,
  );
  const normed = net.normed(`${name}/norm1`, x, config.norm_eps);
  const first = net.modulated(`${name}/norm1`, normed, shift!, scale!);
  const attended = attention(net, `${key}.attn1`, first, heads, { projectionBias });
  const own = net.residual(`${name}/attn1`, x, attended, gate!);
  const read = { source: text, bias, projectionBias };
  // without a norm, as PixArt has it
  const crossed = attention(net, `${key}.attn2`, own, heads, read);
  const middle = net.residual(`${name}/attn2`, own, crossed, null);
  const again = net.normed(`${name}/norm2`, middle, config.norm_eps);
  const second = net.modulated(`${name}/norm2`, again, shift2!, scale2!);
  return net.residual(`${name}/ff`, middle, net.feedForward(`${key}.ff`, second), gate2!);
}

/** A block's own table and the condition of all, in parts [B, 1, d]. */
function tableParts(net: Net, key: string, condition: Ref, d: number, count: number): Ref[] {
  const name = nameOf(key);
  const table = net.weight(key, [count, d], [1, count, d]);
  return net.split(`${name}/split`, net.add(`${name}/sum`, table, condition), 1, count);
}
