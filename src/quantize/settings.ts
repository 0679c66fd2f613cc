import type { StaticRange } from '../../ops/hadaNormQuantize/contract.js';
import { type Float32Format, fitsIn, type UniformFormat } from '../../ops/numerics/formats.js';
import type { BranchKind } from './branch.js';
import type { Method, Parts } from './methods.js';

/** One linear's options, all resolved. */
export interface LinearSettings {
  readonly treatment: 'transform' | 'weightOnly' | 'skip';
  readonly method: Method | 'auto';
  readonly weights: WeightSettings;
  readonly activations: ActivationSettings;
  /** What the method's parts are replaced with. */
  readonly parts: Partial<Parts>;
  /** Directions that are multiplied apart, beside the codes; 'auto': as many as are worth it. */
  readonly lowRank: number | 'auto';
  readonly branch: BranchKind | 'auto';
  readonly blockSize: number | null;
}

/** The formats that a linear's numbers may have. */
export type LinearFormat = UniformFormat | Float32Format;

/** How W' [d, n] is stored. */
export interface WeightSettings {
  readonly format: LinearFormat;
  /** What a rule with 8 bits would make of it. */
  readonly at8Bits: UniformFormat;
  readonly clipping: 'search' | 'none';
  readonly rounding: 'nearest' | 'gptq' | null; // null: by format and statistics
}

/** How x', as rows [tokens, d], enters the product. */
export interface ActivationSettings {
  readonly format: LinearFormat;
  readonly at8Bits: UniformFormat;
  readonly range: 'dynamic' | 'static';
}

/** What activations go through. */
export interface ActivationQuantizer {
  readonly format: UniformFormat;
  readonly range: StaticRange | null; // null: each group's own minimum and maximum
}

/** Whether the weights are rounded by GPTQ if the statistics allow it. */
export function wantsGptq({ format, rounding }: WeightSettings): boolean {
  if (format.kind === 'float32' || rounding === 'nearest') return false;
  return rounding === 'gptq' || fitsIn(format, 4);
}
