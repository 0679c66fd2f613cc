import type { Floats } from '../../../ops/numerics/bytes.js';
import type { Ref } from '../../graph/ir.js';
import { patchOrder } from './layout.js';
import { type Net, nameOf, type Tokens } from './net.js';

/** Channels of a timestep's sinusoids. */
export const WAVES = 256;

/** Height and width in patches, or in any other unit. */
export interface Grid {
  readonly height: number;
  readonly width: number;
}

/** cos and sin of a number [B] at 128 frequencies, [B, 256]. `shift` as diffusers has it. */
export function waves(net: Net, name: string, x: Ref, shift: 0 | 1): Ref {
  const half = WAVES / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) => 10000 ** (-i / (half - shift)));
  const row = net.graph.constant(`${name}/frequencies`, [1, half], frequencies);
  const angles = net.mul(`${name}/angles`, net.reshape(`${name}/column`, x, [-1, 1]), row);
  const parts = ['Cos', 'Sin'].map((op) => net.graph.node(op, `${name}/${op}`, [angles]));
  return net.graph.concat(`${name}/waves`, parts, 1);
}

/** linear · SiLU · linear, by the names of diffusers' TimestepEmbedding. */
export function twoLinears(
  net: Net,
  key: string,
  x: Ref,
  [inputs, hidden, outputs]: readonly [number, number, number],
  names: readonly [string, string] = ['linear_1', 'linear_2'],
): Ref {
  const first = net.rowLinear(`${key}.${names[0]}`, x, inputs, hidden);
  const active = net.silu(`${nameOf(key)}/act`, first);
  return net.rowLinear(`${key}.${names[1]}`, active, hidden, outputs);
}

/** Latents [B, H, W, C] in patches, [B, tokens, p · p · C], each in the order of `patchOrder`. */
export function patches(
  net: Net,
  name: string,
  latent: Ref,
  { height, width }: Grid,
  p: number,
  channels: number,
): Tokens {
  const shape = [-1, height, p, width, p * channels];
  const cut = net.reshape(`${name}/cut`, latent, shape);
  const turned = net.transpose(`${name}/turned`, cut, [0, 1, 3, 2, 4]);
  const [tokens, d] = [height * width, p * p * channels];
  return { ref: net.reshape(`${name}/patches`, turned, [-1, tokens, d]), tokens, d };
}

/** PyTorch's convolution of patches, [d, C, p, p], as a linear. */
export function patchLinear(net: Net, key: string, x: Tokens, d: number, p: number): Tokens {
  const channels = x.d / (p * p);
  const stored = [d, channels, p, p];
  return net.linear(key, x, d, { inputs: patchOrder(channels, p), stored });
}

/** The model's output: tokens of patches [p, p, C] as latents [B, H, W, C]. */
export function prediction(net: Net, x: Tokens, { height, width }: Grid, p: number): Ref {
  const channels = x.d / (p * p);
  const cut = net.reshape('prediction/cut', x.ref, [-1, height, width, p, p * channels]);
  const turned = net.transpose('prediction/turned', cut, [0, 1, 3, 2, 4]);
  return net.reshape('prediction', turned, [-1, height * p, width * p, channels]);
}

/**
 * Sinusoids of columns and rows, [height · width, d]: first the columns', each sin, then cos.
 * Coordinates are those of a grid of `base` patches, divided by `scale`.
 */
export function positions({ height, width }: Grid, d: number, base: number, scale: number): Floats {
  const quarter = d / 4;
  const values = new Float32Array(height * width * d);
  for (let token = 0; token < height * width; token++) {
    const [row, column] = [Math.floor(token / width), token % width];
    // in float32, as the tables of diffusers are
    const places = [column / (width / base), row / (height / base)];
    for (const [axis, place] of places.entries()) {
      const at = token * d + axis * 2 * quarter;
      for (let i = 0; i < quarter; i++) {
        const angle = Math.fround(Math.fround(place) / scale) / 10000 ** (i / quarter);
        values[at + i] = Math.sin(angle);
        values[at + quarter + i] = Math.cos(angle);
      }
    }
  }
  return values;
}
