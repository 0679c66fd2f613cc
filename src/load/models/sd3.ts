import { type Fields, readConfig, readSize } from '../../../ops/common/configs.js';
import { readArray, readInteger, readNullable, readOneOf } from '../../../ops/common/readers.js';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import type { Ref } from '../../graph/ir.js';
import { CheckpointError } from '../base/errors.js';
import { attend, type Heads } from '../net/attention.js';
import {
  type Grid,
  patches,
  patchLinear,
  prediction,
  twoLinears,
  WAVES,
  waves,
} from '../net/embeddings.js';
import { type Net, nameOf, type Tokens } from '../net/net.js';
import { type Architecture, gridOf } from './architecture.js';
import { LATENT, project, TEXT, tail, together } from './jointStream.js';

/** What the graph of an SD3Transformer2DModel depends on. */
interface Config {
  readonly sample_size: number;
  readonly patch_size: number;
  readonly in_channels: number;
  readonly num_layers: number;
  readonly attention_head_dim: number;
  readonly num_attention_heads: number;
  readonly joint_attention_dim: number;
  readonly caption_projection_dim: number;
  readonly pooled_projection_dim: number;
  readonly out_channels: number | null;
  readonly pos_embed_max_size: number;
  readonly dual_attention_layers: readonly number[];
  readonly qk_norm: 'rms_norm' | null;
}

const FIELDS: Fields<Config> = {
  read: {
    sample_size: { read: readSize, absent: 128 },
    patch_size: { read: readSize, absent: 2 },
    in_channels: { read: readSize, absent: 16 },
    num_layers: { read: readSize, absent: 18 },
    attention_head_dim: { read: readSize, absent: 64 },
    num_attention_heads: { read: readSize, absent: 18 },
    joint_attention_dim: { read: readSize, absent: 4096 },
    caption_projection_dim: { read: readSize, absent: 1152 },
    pooled_projection_dim: { read: readSize, absent: 2048 },
    out_channels: { read: readSize, absent: 16 },
    pos_embed_max_size: { read: readSize, absent: 96 },
    dual_attention_layers: { read: readArray(readInteger(0)), absent: [] },
    qk_norm: { read: readNullable(readOneOf(['rms_norm'])), absent: null },
  },
  only: {},
  ignored: [],
};

/** 77 of CLIP and 256 of T5. */
const TEXT_TOKENS = 333;

/**
 * diffusers' SD3Transformer2DModel: Stable Diffusion 3 and 3.5.
 *
 * Inputs: `latent` float32 [B, H, W, in_channels], `timestep` float32 [B] in [0, 1000], `text`
 * float32 [B, textTokens, joint_attention_dim], `pooled` float32 [B, pooled_projection_dim].
 * Output: `prediction` [B, H, W, out_channels].
 */
export const SD3: Architecture = {
  build: (net, json, sizes) => {
    const config = readConfig(net.op, json, FIELDS);
    const { patch_size: p, in_channels: channels, num_layers: layers } = config;
    const d = config.num_attention_heads * config.attention_head_dim;
    if (config.caption_projection_dim !== d) {
      const wanted = `caption_projection_dim must be heads · head size ${d}`;
      throw new CheckpointError(net.op, `${wanted}, got ${config.caption_projection_dim}.`);
    }
    const grid = gridOf(net.op, sizes, config.sample_size, p);
    const shape = [-1, grid.height * p, grid.width * p, channels];
    const latent = net.graph.placeholder('latent', shape);
    const condition = conditionOf(net, d, config.pooled_projection_dim);
    const tokens = sizes.textTokens ?? TEXT_TOKENS;
    const given = net.graph.placeholder('text', [-1, tokens, config.joint_attention_dim]);
    const captions = { ref: given, tokens, d: config.joint_attention_dim };
    const cut = patches(net, 'pos_embed', latent, grid, p, channels);
    const embedded = patchLinear(net, 'pos_embed.proj', cut, d, p);
    const places = croppedPositions(net, grid, d, config.pos_embed_max_size);
    let x: Tokens = { ...embedded, ref: net.add('pos_embed/sum', embedded.ref, places) };
    let text: Tokens | null = net.linear('context_embedder', captions, d);
    for (let i = 0; i < layers; i++) {
      const dual = config.dual_attention_layers.includes(i);
      const form = { config, dual, last: i === layers - 1, condition };
      [x, text] = block(net, `transformer_blocks.${i}`, x, text!, form);
    }
    const [scale, shift] = net.modulation('norm_out.linear', condition, d, 2);
    const last = net.modulated('norm_out', net.normed('norm_out', x), shift!, scale!);
    const outputs = p * p * (config.out_channels ?? channels);
    return prediction(net, net.linear('proj_out', last, outputs), grid, p);
  },
};

/** SiLU of timestep and pooled text, [B, d]. */
function conditionOf(net: Net, d: number, pooledSize: number): Ref {
  const key = 'time_text_embed';
  const timestep = net.graph.placeholder('timestep', [-1]);
  const pooled = net.graph.placeholder('pooled', [-1, pooledSize]);
  const times = waves(net, 'time', timestep, 0);
  const time = twoLinears(net, `${key}.timestep_embedder`, times, [WAVES, d, d]);
  const text = twoLinears(net, `${key}.text_embedder`, pooled, [pooledSize, d, d]);
  return net.silu('condition', net.add('condition/sum', time, text));
}

/** The middle of a larger table of positions: [1, height · width, d]. */
function croppedPositions(net: Net, { height, width }: Grid, d: number, most: number): Ref {
  if (height > most || width > most) {
    const wanted = `at most ${most} patches, as there are positions`;
    throw new InvalidArgumentError(net.op, 'height, width', wanted, `${height}, ${width}`);
  }
  const [top, left] = [Math.floor((most - height) / 2), Math.floor((most - width) / 2)];
  const shape = [1, height * width, d];
  return net.weight('pos_embed.pos_embed', [1, most * most, d], shape, (values) => {
    const table = new Float32Array(height * width * d);
    for (let row = 0; row < height; row++) {
      const start = ((top + row) * most + left) * d;
      table.set(values.subarray(start, start + width * d), row * width * d);
    }
    return table;
  });
}

interface BlockForm {
  readonly config: Config;
  /** Whether latents attend to themselves once more. */
  readonly dual: boolean;
  /** The last block drops the text. */
  readonly last: boolean;
  readonly condition: Ref;
}

function block(
  net: Net,
  key: string,
  x: Tokens,
  text: Tokens,
  { config, dual, last, condition }: BlockForm,
): [x: Tokens, text: Tokens | null] {
  const name = nameOf(key);
  const { num_attention_heads: count, attention_head_dim: headSize, qk_norm: norm } = config;
  const heads: Heads = { heads: count, headSize };
  const form = (stream: typeof LATENT | typeof TEXT) =>
    norm === null ? { ...stream, norms: null, halves: false } : { ...stream, halves: false };
  const parts = net.modulation(`${key}.norm1.linear`, condition, x.d, dual ? 9 : 6);
  const normed = net.normed(`${name}/norm1`, x);
  const first = net.modulated(`${name}/norm1`, normed, parts[0]!, parts[1]!);
  const textParts = net.modulation(`${key}.norm1_context.linear`, condition, x.d, last ? 2 : 6);
  // the last block's has scale and shift the other way round
  const [textShift, textScale] = last ? [textParts[1]!, textParts[0]!] : textParts;
  const firstText = net.modulated(
    `${name}/norm1_context`,
    net.normed(`${name}/norm1_context`, text),
    textShift!,
    textScale!,
  );
  const streams = together(
    net,
    `${name}/attn/both`,
    project(net, `${key}.attn`, first, heads, form(LATENT)),
    project(net, `${key}.attn`, firstText, heads, form(TEXT)),
  );
  const mixed = attend(net, `${name}/attn`, streams, heads);
  const [own, ofText] = net.apart(`${name}/attn/apart`, mixed, x.tokens);
  let y = net.residual(`${name}/attn`, x, net.linear(`${key}.attn.to_out.0`, own, x.d), parts[2]!);
  if (dual) {
    const again = net.modulated(`${name}/norm1/second`, normed, parts[6]!, parts[7]!);
    const alone = project(net, `${key}.attn2`, again, heads, form(LATENT));
    const attended = attend(net, `${name}/attn2`, alone, heads);
    const out = net.linear(`${key}.attn2.to_out.0`, attended, x.d);
    y = net.residual(`${name}/attn2`, y, out, parts[8]!);
  }
  const z = tail(net, key, y, ['norm2', 'ff'], parts.slice(3, 6));
  if (last) return [z, null];
  const textOut = net.linear(`${key}.attn.to_add_out`, ofText, x.d);
  const textY = net.residual(`${name}/attn/text`, text, textOut, textParts[2]!);
  return [z, tail(net, key, textY, ['norm2_context', 'ff_context'], textParts.slice(3))];
}
