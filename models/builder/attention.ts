import { attr } from '../../src/graph/attrs.js';
import type { Ref } from '../../src/graph/ir.js';
import { type DitConfig, tokensOf } from './ditConfig.js';
import type { Layers } from './layers.js';
import { type LinearWeights, sliceOutputs } from './linear.js';

/** Multi-head self-attention on x [B, T, d], written in the config's styles. Returns [B, T, d]. */
export function selfAttention(
  layers: Layers,
  config: DitConfig,
  name: string,
  x: Ref,
  linears: { readonly qkv: LinearWeights; readonly proj: LinearWeights },
): Ref {
  const { hiddenSize: d, numHeads: heads } = config;
  const tokens = tokensOf(config);
  const [q, k, v] = queryKeyValue(layers, config, name, x, linears.qkv);
  const attrs = (adjoint: boolean) => ({ adj_x: attr.bool(false), adj_y: attr.bool(adjoint) });
  const dots = layers.graph.node('BatchMatMulV2', `${name}/scores`, [q!, k!], attrs(true));
  const scaled = layers.mul(`${name}/scale`, dots, layers.scalar(1 / Math.sqrt(d / heads)));
  const weights = layers.graph.node('Softmax', `${name}/Softmax`, [scaled]);
  const mixed = layers.graph.node('BatchMatMulV2', `${name}/mix`, [weights, v!], attrs(false));
  const transposed = layers.transpose(`${name}/turn`, mixed, [0, 2, 1, 3]);
  if (config.linear === 'einsum') {
    const shape = [heads, d / heads, d];
    return layers.einsum(`${name}/proj`, 'abcd,cde->abe', transposed, shape, [d], linears.proj);
  }
  const joined = layers.reshape(`${name}/join`, transposed, [-1, tokens, d]);
  return layers.tokenLinear(`${name}/proj`, joined, linears.proj, tokens);
}

/** q, k and v, each [B, heads, T, d / heads]. */
function queryKeyValue(
  layers: Layers,
  config: DitConfig,
  name: string,
  x: Ref,
  qkv: LinearWeights,
): Ref[] {
  const { hiddenSize: d, numHeads: heads, linear: style } = config;
  const tokens = tokensOf(config);
  const shape = [heads, d / heads];
  const parts = ['q', 'k', 'v'].map((part) => `${name}/${part}`);
  const attention = config.attention ?? (style === 'einsum' ? 'separate' : 'fusedQkv');
  const toHeads = (part: string, rows: Ref) =>
    layers.reshape(`${part}/heads`, rows, [-1, tokens, ...shape]);
  const inHeads = () => {
    if (attention === 'fusedQkv') {
      const all = layers.tokenLinear(`${name}/qkv`, x, qkv, tokens);
      const rows = layers.split(`${name}/split`, all, 2, 3);
      return parts.map((part, i) => toHeads(part, rows[i]!));
    }
    return parts.map((part, i) => {
      const linear = sliceOutputs(qkv, i * d, d);
      if (style !== 'einsum') return toHeads(part, layers.tokenLinear(part, x, linear, tokens));
      return layers.einsum(part, 'abc,cde->abde', x, [d, ...shape], shape, linear);
    });
  };
  return inHeads().map((rows, i) => layers.transpose(`${parts[i]}/turn`, rows, [0, 2, 1, 3]));
}
