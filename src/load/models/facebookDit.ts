import { type Json, readConfig, readSize } from '../../../ops/common/configs.js';
import type { Ref } from '../../graph/ir.js';
import { CheckpointError } from '../base/errors.js';
import { attend, type Heads, inHeads } from '../net/attention.js';
import { patches, patchLinear, prediction, twoLinears, WAVES, waves } from '../net/embeddings.js';
import { type Net, nameOf, type Tokens } from '../net/net.js';
import { type Architecture, checkNoText, gridOf, type Sizes } from './architecture.js';

/** Heads of DiT-S, B, L and XL by their width: no shape shows them. */
const HEADS: Readonly<Record<number, number>> = { 384: 6, 768: 12, 1024: 16, 1152: 16 };

/** Whether a checkpoint has the names of facebookresearch/DiT. */
export function isFacebookDit(shapes: ReadonlyMap<string, readonly number[]>): boolean {
  return shapes.has('x_embedder.proj.weight') && shapes.has('blocks.0.adaLN_modulation.1.weight');
}

/**
 * DiT by the names of facebookresearch/DiT, whose checkpoints have no config.json: sizes are those
 * of the tensors. `config` may say `num_heads`, which no shape shows; S, B, L and XL are known.
 *
 * Inputs: `latent` float32 [B, H, W, C], `timestep` float32 [B] in [0, 1000), `label` int32 [B],
 * the last of which is none. Output: `prediction` [B, H, W, 2C] where sigma is learned.
 */
export const FACEBOOK_DIT: Architecture = {
  build: (net, json, sizes) => {
    checkNoText(net.op, sizes);
    const config = configOf(net, json, sizes);
    const { grid, patchSize: p, channels, heads, depth, outputs } = config;
    const d = heads.heads * heads.headSize;
    const shape = [-1, grid.height * p, grid.width * p, channels];
    const latent = net.graph.placeholder('latent', shape);
    const timestep = net.graph.placeholder('timestep', [-1]);
    const label = net.graph.placeholder('label', [-1], 'int32');
    const cut = patches(net, 'x_embedder', latent, grid, p, channels);
    const embedded = patchLinear(net, 'x_embedder.proj', cut, d, p);
    const places = net.weight('pos_embed', [1, embedded.tokens, d]);
    let x: Tokens = { ...embedded, ref: net.add('pos_embed/sum', embedded.ref, places) };
    const times = waves(net, 't_embedder', timestep, 0);
    const time = twoLinears(net, 't_embedder', times, [WAVES, d, d], ['mlp.0', 'mlp.2']);
    const table = net.weight('y_embedder.embedding_table.weight', [config.labels, d]);
    const axis = net.graph.integers('y_embedder/axis', [0], true);
    const labels = net.graph.node('GatherV2', 'y_embedder/label', [table, label, axis]);
    const condition = net.silu('condition', net.add('condition/sum', time, labels));
    for (let i = 0; i < depth; i++) x = block(net, `blocks.${i}`, heads, x, condition);
    const [shift, scale] = net.modulation('final_layer.adaLN_modulation.1', condition, d, 2);
    const normed = net.normed('final_layer/norm_final', x);
    const last = net.modulated('final_layer/norm_final', normed, shift!, scale!);
    return prediction(net, net.linear('final_layer.linear', last, outputs), grid, p);
  },
};

function block(net: Net, key: string, heads: Heads, x: Tokens, condition: Ref): Tokens {
  const name = nameOf(key);
  const [shift, scale, gate, shift2, scale2, gate2] = net.modulation(
    `${key}.adaLN_modulation.1`,
    condition,
    x.d,
    6,
  );
  const first = net.modulated(`${name}/norm1`, net.normed(`${name}/norm1`, x), shift!, scale!);
  const all = net.linear(`${key}.attn.qkv`, first, 3 * x.d);
  const [q, k, v] = net
    .split(`${name}/attn/split`, all.ref, 2, 3)
    .map((ref, i) => inHeads(net, `${name}/attn/${'qkv'[i]}`, { ...x, ref }, heads));
  const parts = { q: q!, k: k!, v: v!, tokens: x.tokens };
  const attended = net.linear(`${key}.attn.proj`, attend(net, `${name}/attn`, parts, heads), x.d);
  const middle = net.residual(`${name}/attn`, x, attended, gate!);
  const normed = net.normed(`${name}/norm2`, middle);
  const second = net.modulated(`${name}/norm2`, normed, shift2!, scale2!);
  const hidden = sizeOf(net, `${key}.mlp.fc1.weight`, 0);
  const wide = net.linear(`${key}.mlp.fc1`, second, hidden);
  const active = { ...wide, ref: net.gelu(`${name}/mlp/act`, wide.ref) };
  return net.residual(`${name}/mlp`, middle, net.linear(`${key}.mlp.fc2`, active, x.d), gate2!);
}

function configOf(net: Net, json: Json, sizes: Sizes) {
  const d = sizeOf(net, 'pos_embed', 2);
  const { num_heads: heads } = readConfig<{ num_heads: number | null }>(net.op, json, {
    read: { num_heads: { read: readSize, absent: HEADS[d] ?? null } },
    only: {},
    ignored: [],
  });
  if (heads === null || d % heads !== 0) {
    const problem = `how many heads of ${d} channels there are, no tensor says`;
    throw new CheckpointError(net.op, `${problem}: give config: { num_heads: … }.`);
  }
  const patchSize = sizeOf(net, 'x_embedder.proj.weight', 2);
  const cells = patchSize * Math.round(Math.sqrt(sizeOf(net, 'pos_embed', 1)));
  const blocks = [...net.shapes.keys()].map((name) => /^blocks\.(\d+)\./.exec(name)?.[1] ?? -1);
  return {
    grid: gridOf(net.op, sizes, cells, patchSize),
    patchSize,
    channels: sizeOf(net, 'x_embedder.proj.weight', 1),
    heads: { heads, headSize: d / heads },
    depth: 1 + Math.max(...blocks.map(Number)),
    labels: sizeOf(net, 'y_embedder.embedding_table.weight', 0),
    outputs: sizeOf(net, 'final_layer.linear.weight', 0),
  };
}

function sizeOf({ op, shapes }: Net, key: string, axis: number): number {
  const size = shapes.get(key)?.[axis];
  if (size !== undefined && size > 0) return size;
  const got = shapes.has(key) ? `the shape [${shapes.get(key)}]` : 'is not there';
  throw new CheckpointError(op, `${key} ${got}: the checkpoint is no whole DiT.`, key);
}
