import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { PartialSums } from '../webgpu/means.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import {
  MEAN_COLUMNS as COLUMNS,
  factorsShader,
  leftAlongShader,
  offShader,
  type PartsSpec,
  partsShader,
  restShader,
} from './webgpuMeansShaders.js';

/**
 * What the means give, so that programs bind one buffer for all. A row for each sample: μ [d], then
 * off = (μ − mean) / scale, less what goes by the basis [d], the basis's coefficients [b], those of
 * directions [r], and where there are directions the scale [d].
 */
export interface MeanParts {
  readonly info: TensorInfo; // [samples, …]
  readonly coefficients: TensorInfo | null; // [samples, b], with a basis
  readonly alongAt: number; // where the directions' coefficients begin in a row
  readonly scaleAt: number;
  /** A basis whose part of off is still in it: who reads off takes it out, or has `takeBasis`. */
  readonly left: TensorInfo | null; // [b, d]
}

/** What the means are multiplied by; rows of `directions` are H V, turned. */
type Given = Readonly<Record<'mean' | 'scale' | 'basis' | 'directions', TensorInfo | undefined>>;

/** The second stage of the means, and what of them goes by the basis and along the directions. */
export function meanParts(webgpu: WebgpuScope, sums: PartialSums, given: Given): MeanParts {
  const { samples, tokens, d, width, chunks } = sums;
  const { mean, scale, basis, directions } = given;
  const alongAt = 2 * d + (basis?.shape[0] ?? 0);
  const scaleAt = alongAt + (directions?.shape[0] ?? 0);
  const keepsScale = directions !== undefined && scale !== undefined;
  const info = webgpu.make([samples, scaleAt + (keepsScale ? d : 0)]);
  const coefficients = basis === undefined ? null : webgpu.make([samples, basis.shape[0]!]);
  const factors = basis ?? directions;
  const rank = factors?.shape[0] ?? 0;
  const spec: PartsSpec = {
    ...{ masked: width > d, mean: mean !== undefined, scale: scale !== undefined },
    ...{ keepsScale, basis: basis !== undefined },
  };
  const columns = Math.ceil(d / COLUMNS);
  const bindings = {
    reads: [sums.info, mean, scale, factors].filter((one) => one !== undefined),
    writes: coefficients === null ? [info] : [info, coefficients],
    sizes: [samples, tokens, d, chunks, info.shape[1]!, scaleAt, rank, columns],
  };
  if (factors === undefined) {
    webgpu.run(partsShader, spec, { ...bindings, groups: samples * columns });
  } else {
    webgpu.run(factorsShader, spec, { ...bindings, groups: samples * (columns + rank) });
  }
  const isBoth = basis !== undefined && directions !== undefined;
  if (isBoth) {
    takeBasis(webgpu, info, basis);
    leftAlong(webgpu, info, directions, alongAt);
  }
  const left = isBoth ? null : (basis ?? null);
  return { info, coefficients, alongAt, scaleAt, left };
}

/** off −= coefficients · basis */
export function takeBasis(webgpu: WebgpuScope, parts: TensorInfo, basis: TensorInfo): void {
  const [samples, stride] = parts.shape as [number, number];
  const [rank, d] = basis.shape as [number, number];
  const groups = Math.ceil((samples * d) / COLUMNS);
  const sizes = [samples, d, rank, stride];
  webgpu.run(restShader, {}, { reads: [basis], writes: [parts], sizes, groups });
}

/** The directions' coefficients of what the basis left. */
function leftAlong(
  webgpu: WebgpuScope,
  parts: TensorInfo,
  directions: TensorInfo,
  alongAt: number,
): void {
  const [samples, stride] = parts.shape as [number, number];
  const [rank, d] = directions.shape as [number, number];
  const sizes = [samples, d, rank, stride, alongAt];
  const groups = samples * rank;
  webgpu.run(leftAlongShader, {}, { reads: [directions], writes: [parts], sizes, groups });
}

/** off, in rows of its own. */
export function offRows(webgpu: WebgpuScope, { info }: MeanParts, d: number): TensorInfo {
  const [samples, stride] = info.shape as [number, number];
  const out = webgpu.make([samples, d]);
  const groups = Math.ceil((samples * d) / COLUMNS);
  const sizes = [samples, d, stride];
  webgpu.run(offShader, {}, { reads: [info], writes: [out], sizes, groups });
  return out;
}
