import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import { attach, findAttached } from '../webgpu/attached.js';
import { transformed } from '../webgpu/hadamard.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import type { Shader } from '../webgpu/shader.js';
import { MOST_QUADS, type ProjectSpec, projectShader } from './webgpuDirectionsShaders.js';
import type { MeanParts } from './webgpuMeans.js';

/** Why so many directions are left to the composition; null where they are not. */
export function whyNoRank(rank: number): string | null {
  const most = 4 * MOST_QUADS;
  return rank <= most ? null : `kernels for webgpu take up to ${most} directions`;
}

/** Directions V [d, r] as programs read them; made once, and disposed of together with V. */
export interface DirectionVectors {
  readonly rank: number;
  /** V, rows padded to vectors of four numbers: [d, 4 · quads]. */
  readonly rows: TensorInfo;
  readonly quads: number;
}

export function directionVectors(webgpu: WebgpuScope, directions: TensorInfo): DirectionVectors {
  const [d, rank] = directions.shape as [number, number];
  const quads = Math.ceil(rank / 4);
  if (rank % 4 === 0) return { rank, rows: directions, quads };
  const rows = derived(webgpu, directions, 'padded directions', () =>
    rearranged(webgpu, directions, paddedShader, [d, 4 * quads]),
  );
  return { rank, rows, quads };
}

/**
 * H V, turned: [r, d]. What the means have along V, once they are rotated, is their product with
 * these.
 */
export function rotatedDirections(
  webgpu: WebgpuScope,
  directions: TensorInfo,
  blockSize: number,
): TensorInfo {
  const [d, rank] = directions.shape as [number, number];
  return derived(webgpu, directions, `rotated directions ${blockSize}`, () => {
    const turned = rearranged(webgpu, directions, turnedShader, [rank, d]);
    return transformed(webgpu, turned, blockSize, true);
  });
}

function derived(
  webgpu: WebgpuScope,
  from: TensorInfo,
  key: string,
  make: () => TensorInfo,
): TensorInfo {
  const known = findAttached(webgpu.backend, from, key);
  if (known !== undefined) return known;
  const info = webgpu.keep(make());
  attach(webgpu.backend, from, key, info);
  return info;
}

function rearranged(
  webgpu: WebgpuScope,
  directions: TensorInfo,
  shader: Shader<Record<never, never>>,
  shape: readonly [number, number],
): TensorInfo {
  const out = webgpu.make(shape);
  const sizes = [...directions.shape, ...shape];
  const groups = Math.ceil((shape[0] * shape[1]) / INVOCATIONS);
  webgpu.run(shader, {}, { reads: [directions], writes: [out], sizes, groups });
  return out;
}

const INVOCATIONS = 64;

const paddedShader = rearranging('padDirections', 'row', 'column');
const turnedShader = rearranging('turnDirections', 'column', 'row');

/** Directions in another order: `k` and `r` of the number of a row and column of the result. */
function rearranging(name: string, k: string, r: string): Shader<Record<never, never>> {
  return {
    name,
    build: () => ({
      reads: { directions: 'f32' },
      writes: { out: 'f32' },
      sizes: ['d', 'rank', 'rows', 'columns'],
      invocations: INVOCATIONS,
      workgroupBytes: 0,
      code: `
fn run(lid: u32, group: u32) {
  let at = group * ${INVOCATIONS}u + lid;
  let row = at / sizes.columns;
  let column = at % sizes.columns;
  if (row >= sizes.rows) { return; }
  var value = 0f;
  if (${r} < sizes.rank) { value = directions[${k} * sizes.rank + ${r}]; }
  out[at] = value;
}`,
    }),
  };
}

/** Rows in memory, what goes along V, and what is left. */
export interface Projection {
  readonly x: TensorInfo; // [rows, d]
  readonly along: TensorInfo | null; // [rows, r]: written, where it is wanted
  readonly left: TensorInfo | null; // [rows, d]: likewise
  readonly parts: MeanParts | null; // whose coefficients are added to `along`
  readonly tokens: number;
}

/** The projection of rows that workgroup memory does not hold. */
export function projectRows(
  webgpu: WebgpuScope,
  { rank, rows: vectors, quads }: DirectionVectors,
  { x, along, left, parts, tokens }: Projection,
): void {
  const d = x.shape[x.shape.length - 1]!;
  const rows = util.sizeFromShape(x.shape) / d;
  const spec: ProjectSpec = {
    ...{ d, quads, along: along !== null, left: left !== null },
    parts: parts !== null && along !== null,
  };
  const mean = spec.parts ? parts!.info : undefined;
  webgpu.run(projectShader, spec, {
    reads: [x, vectors, mean].filter((one) => one !== undefined),
    writes: [along, left].filter((one) => one !== null),
    sizes: [rows, rank, tokens, mean?.shape[1] ?? 0, parts?.alongAt ?? 0],
    groups: rows,
  });
}
