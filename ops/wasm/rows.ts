import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { WasmModule } from './module.js';
import { COLUMNS } from './records.js';

/** Fewer elements than this are not worth a thread. */
const GRAIN_ELEMENTS = 16_384;

/** How many items of so many elements are worth a thread. */
export function grainOf(elementsPerItem: number): number {
  return Math.max(1, Math.ceil(GRAIN_ELEMENTS / elementsPerItem));
}

/**
 * Means of float32 x [..., tokens, d] over the tokens, where there is a float32 mask [..., tokens]
 * over those that it counts, to float32 [samples, d] at `means`.
 */
export function columnMeans(
  module: WasmModule,
  x: TensorInfo,
  mask: TensorInfo | undefined,
  means: number,
): void {
  const [tokens, d] = x.shape.slice(-2) as [number, number];
  const samples = util.sizeFromShape(x.shape) / (tokens * d);
  const items = samples * Math.ceil(d / COLUMNS);
  const grain = grainOf(COLUMNS * tokens);
  const args = [module.addressOf(x), means, tokens, d];
  if (mask === undefined) module.run('columnMeans', args, items, { grain });
  else module.run('maskedMeans', [module.addressOf(mask), ...args], items, { grain });
}
