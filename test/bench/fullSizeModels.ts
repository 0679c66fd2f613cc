import * as tf from '@tensorflow/tfjs-core';
import { seededNormal } from '../../src/diffusion/sampler.js';
import type { Architecture } from '../../src/load/models/architecture.js';
import { DIT } from '../../src/load/models/dit.js';
import { FLUX } from '../../src/load/models/flux.js';

/** A published model at the size that it has. */
export interface FullSize {
  readonly architecture: Architecture;
  /** Blocks, where no other number is asked for. */
  readonly depth: number;
  readonly config: (depth: number) => Readonly<Record<string, unknown>>;
  readonly sizes: { readonly height?: number; readonly textTokens?: number };
  /** Seeded inputs of so many samples. */
  readonly inputs: (samples: number, seed?: number) => tf.NamedTensorMap;
}

export type FullSizeName = 'dit' | 'flux' | 'tiny';

/**
 * DiT-XL/2, of 675 M parameters; of Flux's blocks as many as are 5 GB in float32; and a DiT that
 * tells whether all of it works.
 */
export const FULL_SIZE: Readonly<Record<FullSizeName, FullSize>> = {
  dit: {
    architecture: DIT,
    depth: 28,
    config: (depth) => ({ _class_name: 'DiTTransformer2DModel', num_layers: depth }),
    sizes: {},
    inputs: ditInputs(32),
  },
  tiny: {
    architecture: DIT,
    depth: 1,
    config: (depth) => ({
      ...{ _class_name: 'DiTTransformer2DModel', num_layers: depth, sample_size: 8 },
      ...{ num_attention_heads: 2, attention_head_dim: 32 },
    }),
    sizes: {},
    inputs: ditInputs(8),
  },
  flux: {
    architecture: FLUX,
    depth: 2,
    config: (depth) => ({
      _class_name: 'FluxTransformer2DModel',
      ...{ num_layers: depth, num_single_layers: 2 * depth, guidance_embeds: true },
    }),
    sizes: { height: 16, textTokens: 32 },
    inputs: (samples, seed = 1) => ({
      latent: seededNormal([samples, 16, 16, 16], seed),
      timestep: tf.tensor1d(spread(samples, (i) => ((seed * 137 + i * 251) % 1000) / 1000)),
      guidance: tf.fill([samples], 3.5),
      text: seededNormal([samples, 32, 4096], seed + 1),
      pooled: seededNormal([samples, 768], seed + 2),
    }),
  },
};

function ditInputs(size: number): FullSize['inputs'] {
  return (samples, seed = 1) => ({
    latent: seededNormal([samples, size, size, 4], seed),
    timestep: tf.tensor1d(spread(samples, (i) => ((seed * 137 + i * 251) % 1000) + 0.5)),
    label: tf.tensor1d(
      spread(samples, (i) => (seed * 131 + i * 97) % 1000),
      'int32',
    ),
  });
}

function spread(samples: number, of: (i: number) => number): number[] {
  return Array.from({ length: samples }, (_, i) => of(i));
}
