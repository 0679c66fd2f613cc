import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { UniformFormat } from '../numerics/formats.js';
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

/** Rows that a workgroup takes of rows so long at most; measured on one H200. */
const ROWS = [
  { rows: 4, mostChannels: 400, leastGroups: ENOUGH_GROUPS },
  { rows: 2, mostChannels: 1536, leastGroups: ENOUGH_GROUPS / 2 },
] as const;

/**
 * Rows that a workgroup takes, the best first: words of neighbouring rows lie side by side, and
 * more of long ones leave a processor too few workgroups.
 */
export function rowsTogether({ shape }: TensorInfo): number[] {
  const d = shape[shape.length - 1]!;
  const all = util.sizeFromShape(shape) / d;
  const fitting = ROWS.filter(
    ({ rows, mostChannels, leastGroups }) => d <= mostChannels && all / rows >= leastGroups,
  );
  return [...fitting.map(({ rows }) => rows), 1];
}
