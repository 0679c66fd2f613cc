import type { LinearOptions, RewriteOptions } from '../rewrite/options.js';
import { presetNamed } from '../rewrite/presets.js';

/** Bits of weights and activations. */
export interface Bits {
  /** Such as W4A8. */
  readonly name: string;
  readonly weights: number;
  readonly activations: number;
}

/** What W4A8 and its like say, of 2 to 8 bits; null for anything else. */
export function parseBits(name: string): Bits | null {
  const found = /^W([2-8])A([2-8])$/.exec(name);
  return found && { name, weights: Number(found[1]), activations: Number(found[2]) };
}

/** An integer in [least, 2^32); null for anything else. */
export function parseInteger(text: string, min: number): number | null {
  const value = Number(text);
  const right = text.trim() !== '' && Number.isInteger(value) && value >= min && value < 2 ** 32;
  return right ? value : null;
}

/**
 * How weights are rounded; 'auto' is what the plugin does: GPTQ at 4 bits and fewer, else to
 * nearest.
 */
export type Rounding = 'auto' | 'nearest' | 'gptq';

/** What bits and a method ask of the rewriter; `rtn` rounds weights to nearest too, if not told. */
export function optionsOf(
  { weights, activations }: Bits,
  method: NonNullable<LinearOptions['method']>,
  rounding: Rounding = method === 'rtn' ? 'nearest' : 'auto',
): RewriteOptions {
  return {
    method,
    weights: { bits: weights, ...(rounding === 'auto' ? {} : { rounding }) },
    activations: { bits: activations },
  };
}

/** The same, by the preset of these bits where that is HadaNorm; others are as papers have them. */
export function shippedOptions(
  bits: Bits,
  method: NonNullable<LinearOptions['method']>,
): RewriteOptions {
  const preset = method === 'hadanorm' || method === 'auto' ? presetNamed(bits.name) : null;
  return preset === null ? optionsOf(bits, method) : { ...preset.options, method };
}
