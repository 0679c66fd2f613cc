import type { DataType, NamedTensorMap, Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';

/**
 * Inputs of a DiT, as `buildDit` names them: float32 [B, S, S, C], float32 [B] in [0, 1], int32
 * [B].
 */
export type DitInputs = {
  readonly latent: Tensor4D;
  readonly timestep: Tensor1D;
  readonly label: Tensor1D;
};

/** What the sampler needs of a model: a graph model of `buildDit`, quantized or not. */
export interface VelocityModel {
  readonly inputs: readonly { readonly name: string; readonly shape?: number[] | undefined }[];
  /** Where it has `dit`, a DitConfig, labels are checked and `noneLabel` is known. */
  readonly metadata?: object;
  predict(inputs: Record<string, Tensor>): Tensor | Tensor[] | Record<string, Tensor>;
}

/** A model that predicts what to do with latents: one of `loadCheckpoint`, quantized or not. */
export interface DenoisingModel {
  readonly inputs: readonly {
    readonly name: string;
    readonly shape?: number[] | undefined;
    readonly dtype?: DataType;
  }[];
  readonly metadata?: object;
  predict(inputs: NamedTensorMap): Tensor | Tensor[] | NamedTensorMap;
}
