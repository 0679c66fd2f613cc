import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { UniformFormat } from '../numerics/formats.js';
import { factorsOf, stagesOf } from '../webgpu/hadamardStages.js';
import { ENOUGH_GROUPS } from '../webgpu/limits.js';

/** What tells programs that quantize rows apart. */
export interface QuantizeSpec {
  readonly [field: string]: number | boolean | string;
  readonly d: number;
  readonly blockSize: number; // 0: not rotated
  readonly rows: number; // of a workgroup
  readonly invocations: number;
  readonly groupSize: number;
  readonly bits: number;
  readonly codes: UniformFormat['codes'];
  readonly ranged: boolean; // a static range, in sizes
  readonly mean: 'none' | 'one' | 'parts'; // of all samples, or of each: MeanParts
  readonly scale: 'none' | 'own' | 'parts'; // in a buffer of its own, or behind the means
  readonly memory: boolean; // rows that are rotated already stay in memory
  readonly residual: boolean; // rows of the means are rotated too
  readonly basis: boolean; // what goes by the means' basis is taken out of these first
  readonly quads: number; // directions, in vectors of four; 0: none
  readonly subtract: boolean; // what goes along them has no codes
}

/** A number of the workgroup's rows. */
export function numberWgsl({ d, memory }: QuantizeSpec, i: string): string {
  return memory ? `x[min(first * ${d}u + ${i}, arrayLength(&x) - 1u)]` : `line[place(${i})]`;
}

/** Invocations of a workgroup at most. */
export const MOST_INVOCATIONS = 256;

/** Channels up to which four rows are as short as one of a large model. */
const SHORT = 320;

/**
 * Rows that a workgroup takes, the best first; measured on one H200. Words of neighbouring rows lie
 * side by side; but more than a fiber of the first stage for each invocation takes as long as
 * workgroups that there are too few of.
 */
export function rowsTogether({ shape }: TensorInfo, blockSize: number): number[] {
  const d = shape[shape.length - 1]!;
  const all = util.sizeFromShape(shape) / d;
  const order = stagesOf(factorsOf(blockSize), false)[0]?.order ?? 1;
  const four = d <= SHORT && all / 4 >= ENOUGH_GROUPS;
  const two = (2 * d) / order <= MOST_INVOCATIONS && all >= ENOUGH_GROUPS;
  return [...(four ? [4] : []), ...(two ? [2] : []), 1];
}
