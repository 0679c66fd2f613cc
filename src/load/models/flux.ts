import { type Fields, readConfig, readSize } from '../../../ops/common/configs.js';
import { readArray, readBoolean } from '../../../ops/common/readers.js';
import type { Ref } from '../../graph/ir.js';
import { CheckpointError } from '../base/errors.js';
import { attend, type Heads, type Parts } from '../net/attention.js';
import { type Grid, patches, prediction, twoLinears, WAVES, waves } from '../net/embeddings.js';
import { patchOrder } from '../net/layout.js';
import { type Net, nameOf, type Tokens } from '../net/net.js';
import { type Architecture, gridOf } from './architecture.js';
import { LATENT, project, type Rotary, rotated, TEXT, tail, together } from './jointStream.js';

/** What the graph of a FluxTransformer2DModel depends on. */
interface Config {
  /** Of packed latents: four cells of a picture's each. */
  readonly in_channels: number;
  readonly out_channels: number | null;
  readonly num_layers: number;
  readonly num_single_layers: number;
  readonly attention_head_dim: number;
  readonly num_attention_heads: number;
  readonly joint_attention_dim: number;
  readonly pooled_projection_dim: number;
  readonly guidance_embeds: boolean;
  readonly axes_dims_rope: readonly number[];
}

const FIELDS: Fields<Config> = {
  read: {
    in_channels: { read: readSize, absent: 64 },
    out_channels: { read: readSize, absent: null },
    num_layers: { read: readSize, absent: 19 },
    num_single_layers: { read: readSize, absent: 38 },
    attention_head_dim: { read: readSize, absent: 128 },
    num_attention_heads: { read: readSize, absent: 24 },
    joint_attention_dim: { read: readSize, absent: 4096 },
    pooled_projection_dim: { read: readSize, absent: 768 },
    guidance_embeds: { read: readBoolean, absent: false },
    axes_dims_rope: { read: readArray(readSize, 3), absent: [16, 56, 56] },
  },
  only: { patch_size: [1, null] },
  ignored: [],
};

const TEXT_TOKENS = 512;

/** Of latents of a picture of 1024 × 1024. */
const CELLS = 128;

/** Cells of a token, along each axis: the pipeline packs them. */
const PACKED = 2;

/** What all blocks read alike. */
interface Shared {
  readonly heads: Heads;
  readonly condition: Ref;
  readonly rotary: Rotary;
}

/**
 * diffusers' FluxTransformer2DModel, with the pipeline's packing and numbering of latents.
 *
 * Inputs: `latent` float32 [B, H, W, in_channels / 4], `timestep` float32 [B] in [0, 1], `text`
 * float32 [B, textTokens, joint_attention_dim], `pooled` float32 [B, pooled_projection_dim]; with
 * `guidance_embeds` `guidance` float32 [B]. Output: `prediction` [B, H, W, out_channels / 4].
 */
export const FLUX: Architecture = {
  build: (net, json, sizes) => {
    const config = readConfig(net.op, json, FIELDS);
    const { attention_head_dim: headSize, num_attention_heads: count } = config;
    const [channels, outputs] = channelsOf(net, config);
    const d = count * headSize;
    const grid = gridOf(net.op, sizes, CELLS, PACKED);
    const shape = [-1, grid.height * PACKED, grid.width * PACKED, channels];
    const latent = net.graph.placeholder('latent', shape);
    const condition = conditionOf(net, config, d);
    const textTokens = sizes.textTokens ?? TEXT_TOKENS;
    const given = net.graph.placeholder('text', [-1, textTokens, config.joint_attention_dim]);
    const captions = { ref: given, tokens: textTokens, d: config.joint_attention_dim };
    const cut = patches(net, 'x_embedder', latent, grid, PACKED, channels);
    let x = net.linear('x_embedder', cut, d, { inputs: patchOrder(channels, PACKED) });
    let text = net.linear('context_embedder', captions, d);
    const rotary = rotaryOf(net, config, grid, textTokens);
    const shared = { heads: { heads: count, headSize }, condition, rotary };
    for (let i = 0; i < config.num_layers; i++) {
      [x, text] = doubleBlock(net, `transformer_blocks.${i}`, x, text, shared);
    }
    let both = net.concat('both', text, x);
    for (let i = 0; i < config.num_single_layers; i++) {
      both = singleBlock(net, `single_transformer_blocks.${i}`, both, shared);
    }
    const [, image] = net.apart('image', both, textTokens);
    const [scale, shift] = net.modulation('norm_out.linear', condition, d, 2);
    const last = net.modulated('norm_out', net.normed('norm_out', image), shift!, scale!);
    const order = patchOrder(outputs, PACKED);
    const out = net.linear('proj_out', last, outputs * PACKED ** 2, { outputs: order });
    return prediction(net, out, grid, PACKED);
  },
};

/** Channels of a cell, in and out. */
function channelsOf(net: Net, config: Config): [number, number] {
  const { in_channels: inputs, out_channels: outputs, axes_dims_rope: axes } = config;
  const sum = axes.reduce((all, size) => all + size, 0);
  if (sum !== config.attention_head_dim || axes.some((size) => size % 2 !== 0)) {
    const wanted = `three even numbers whose sum is attention_head_dim`;
    const problem = `config.json has axes_dims_rope = [${axes}]; supported is ${wanted}`;
    throw new CheckpointError(net.op, `${problem} ${config.attention_head_dim}.`);
  }
  const cells = PACKED ** 2;
  const [from, to] = [inputs / cells, (outputs ?? inputs) / cells];
  if (Number.isInteger(from) && Number.isInteger(to)) return [from, to];
  const problem = `in_channels and out_channels must be multiples of ${cells}`;
  throw new CheckpointError(net.op, `${problem}, got ${inputs} and ${outputs ?? inputs}.`);
}

/** SiLU of timestep, guidance and pooled text, [B, d]. */
function conditionOf(net: Net, config: Config, d: number): Ref {
  const key = 'time_text_embed';
  const { pooled_projection_dim: size, guidance_embeds: guided } = config;
  const embedded = (input: string, embedder: string) => {
    const given = net.graph.placeholder(input, [-1]);
    const thousandths = net.mul(`${input}/thousandths`, given, net.scalar(1000));
    const rows = waves(net, `${input}/waves`, thousandths, 0);
    return twoLinears(net, `${key}.${embedder}`, rows, [WAVES, d, d]);
  };
  let sum = embedded('timestep', 'timestep_embedder');
  if (guided) {
    const guidance = embedded('guidance', 'guidance_embedder');
    sum = net.add('condition/guided', sum, guidance);
  }
  const pooled = net.graph.placeholder('pooled', [-1, size]);
  const text = twoLinears(net, `${key}.text_embedder`, pooled, [size, d, d]);
  return net.silu('condition', net.add('condition/sum', sum, text));
}

/** The text is at 0, 0, 0; a token of the picture at 0, row, column. */
function rotaryOf(net: Net, config: Config, { height, width }: Grid, text: number): Rotary {
  const { axes_dims_rope: axes, attention_head_dim: headSize } = config;
  const [tokens, half] = [text + height * width, headSize / 2];
  const frequencies = axes.flatMap((size, axis) =>
    Array.from({ length: size / 2 }, (_, i) => ({ axis, value: 10000 ** ((-2 * i) / size) })),
  );
  const table = (wave: (angle: number) => number) => {
    const values = new Float32Array(tokens * half);
    for (let token = 0; token < tokens; token++) {
      const cell = token - text;
      const place = cell < 0 ? [0, 0, 0] : [0, Math.floor(cell / width), cell % width];
      for (const [i, { axis, value }] of frequencies.entries()) {
        values[token * half + i] = wave(place[axis]! * value);
      }
    }
    return values;
  };
  const shape = [1, 1, tokens, half];
  return {
    cos: net.graph.constant('rotary/cos', shape, table(Math.cos)),
    sin: net.graph.constant('rotary/sin', shape, table(Math.sin)),
  };
}

/** Two streams with their own linears, and one attention over both. */
function doubleBlock(
  net: Net,
  key: string,
  x: Tokens,
  text: Tokens,
  { heads, condition, rotary }: Shared,
): [x: Tokens, text: Tokens] {
  const name = nameOf(key);
  const streams = [
    { tokens: text, norm: 'norm1_context', ...TEXT },
    { tokens: x, norm: 'norm1', ...LATENT },
  ].map(({ tokens, norm, ...names }) => {
    const gates = net.modulation(`${key}.${norm}.linear`, condition, tokens.d, 6);
    const normed = net.normed(`${name}/${norm}`, tokens);
    const first = net.modulated(`${name}/${norm}`, normed, gates[0]!, gates[1]!);
    return { gates, parts: project(net, `${key}.attn`, first, heads, { ...names, halves: true }) };
  });
  const [ofText, ofImage] = streams as [(typeof streams)[0], (typeof streams)[0]];
  const both = together(net, `${name}/attn/both`, ofText.parts, ofImage.parts);
  const mixed = attend(net, `${name}/attn`, turned(net, `${name}/attn`, both, rotary), heads);
  const [fromText, fromImage] = net.apart(`${name}/attn/apart`, mixed, text.tokens);
  const out = net.linear(`${key}.attn.to_out.0`, fromImage, x.d);
  const y = net.residual(`${name}/attn`, x, out, ofImage.gates[2]!);
  const textOut = net.linear(`${key}.attn.to_add_out`, fromText, x.d);
  const textY = net.residual(`${name}/attn/text`, text, textOut, ofText.gates[2]!);
  return [
    tail(net, key, y, ['norm2', 'ff'], ofImage.gates.slice(3)),
    tail(net, key, textY, ['norm2_context', 'ff_context'], ofText.gates.slice(3)),
  ];
}

/** One stream, whose attention and MLP stand side by side. */
function singleBlock(
  net: Net,
  key: string,
  x: Tokens,
  { heads, condition, rotary }: Shared,
): Tokens {
  const name = nameOf(key);
  const [shift, scale, gate] = net.modulation(`${key}.norm.linear`, condition, x.d, 3);
  const normed = net.modulated(`${name}/norm`, net.normed(`${name}/norm`, x), shift!, scale!);
  const wide = net.linear(`${key}.proj_mlp`, normed, 4 * x.d);
  const active = net.gelu(`${name}/act_mlp`, wide.ref);
  const parts = project(net, `${key}.attn`, normed, heads, { ...LATENT, halves: true });
  const mixed = attend(net, `${name}/attn`, turned(net, `${name}/attn`, parts, rotary), heads);
  const ref = net.graph.concat(`${name}/sides`, [mixed.ref, active], 2);
  const out = net.linear(`${key}.proj_out`, { ...x, ref, d: 5 * x.d }, x.d);
  return net.residual(name, x, out, gate!);
}

function turned(net: Net, name: string, parts: Parts, rotary: Rotary): Parts {
  const [q, k] = (['q', 'k'] as const).map((part) =>
    rotated(net, `${name}/${part}`, parts[part], rotary),
  );
  return { ...parts, q: q!, k: k! };
}
