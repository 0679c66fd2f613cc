import type { Shader } from '../webgpu/shader.js';
import { sumWgsl } from '../webgpu/wgsl.js';

/** Vectors of four directions that kernels take: as many as the smallest workgroups sum at once. */
export const MOST_QUADS = 32;

/** Vectors of V that an invocation has on their way at a time: each comes from afar. */
const ON_THEIR_WAY = 6;

/** Rows that a workgroup projects onto directions V. */
export interface ProjectedRows {
  readonly d: number;
  readonly rows: number;
  readonly invocations: number;
  readonly quads: number; // of directions, in vectors
}

/** Bytes of workgroup memory that it takes. */
export function projectedBytes({ rows, invocations, quads }: ProjectedRows): number {
  return quads === 0 ? 0 : 16 * (invocations + rows * quads);
}

/**
 * WGSL: workgroup memory for a projection; `fn productAt(row: u32, r: u32) -> f32`, a row's product
 * with a direction, and `fn takenAt(row: u32, k: u32) -> f32`, what the directions have of a
 * number.
 */
export function projectionWgsl({ rows, invocations, quads }: ProjectedRows): string {
  return `
var<workgroup> terms: array<vec4<f32>, ${invocations}>;
var<workgroup> products: array<vec4<f32>, ${rows * quads}>;
fn productAt(row: u32, r: u32) -> f32 { return products[row * ${quads}u + r / 4u][r % 4u]; }
fn takenAt(row: u32, k: u32) -> f32 {
  var sum = 0f;
  for (var quad = 0u; quad < ${quads}u; quad++) {
    sum += dot(products[row * ${quads}u + quad], V[k * ${quads}u + quad]);
  }
  return sum;
}`;
}

/**
 * WGSL statements: products = rows · V. An invocation has four directions and a slice of the
 * channels, of all rows, so that V is read once for these; sums of slices are added up in workgroup
 * memory. Ends with a barrier.
 * @param numberAt The number of a row's channel `k`, in WGSL.
 */
export function projectWgsl(spec: ProjectedRows, numberAt: (row: number) => string): string {
  const { d, rows, invocations, quads } = spec;
  const slices = 2 ** Math.floor(Math.log2(invocations / quads));
  const each = (text: (row: number) => string) =>
    Array.from({ length: rows }, (_, row) => text(row)).join('\n    ');
  const together = Math.min(ON_THEIR_WAY, Math.ceil(d / slices));
  const eachLoad = (text: (i: number) => string) =>
    Array.from({ length: together }, (_, i) => text(i)).join('\n        ');
  return `
  {
    let quad = lid % ${quads}u;
    let slice = lid / ${quads}u;
    ${each((row) => `var sum${row} = vec4<f32>(0f);`)}
    if (slice < ${slices}u) {
      for (var begin = slice; begin < ${d}u; begin += ${together * slices}u) {
        ${eachLoad((i) => {
          const k = `min(begin + ${i * slices}u, ${d - 1}u)`;
          return `let v${i} = V[${k} * ${quads}u + quad];`;
        })}
        ${eachLoad(
          (i) => `
        if (begin + ${i * slices}u < ${d}u) {
          let k = begin + ${i * slices}u;
          ${each((row) => `sum${row} += ${numberAt(row)} * v${i};`)}
        }`,
        )}
      }
    }
    ${each(
      (row) => `
    terms[lid] = sum${row};
    ${sumWgsl('terms', slices, 'slice', quads)}
    if (slice == 0u) { products[${row * quads}u + quad] = terms[lid]; }`,
    )}
    workgroupBarrier();
  }`;
}

/**
 * WGSL statements: what goes along V, of rows from `first` to before `end`, with what the means
 * have.
 */
export function alongWgsl({ rows, invocations }: ProjectedRows, parts: boolean): string {
  const mean = 'mean[(row / sizes.tokens) * sizes.stride + sizes.alongAt + r]';
  return `
  for (var i = lid; i < ${rows}u * sizes.rank; i += ${invocations}u) {
    let row = first + i / sizes.rank;
    let r = i % sizes.rank;
    if (row < end) {
      along[row * sizes.rank + r] = productAt(i / sizes.rank, r)${parts ? ` + ${mean}` : ''};
    }
  }`;
}

/** What tells programs that project rows in memory apart. */
export interface ProjectSpec {
  readonly [field: string]: number | boolean;
  readonly d: number;
  readonly quads: number;
  readonly along: boolean;
  readonly left: boolean;
  readonly parts: boolean; // `MeanParts` are added to what goes along
}

const INVOCATIONS = 256;

/** A workgroup for each row, which it reads from memory. */
export const projectShader: Shader<ProjectSpec> = {
  name: 'projectRows',
  build: ({ d, quads, along, left, parts }) => {
    const spec = { d, rows: 1, invocations: INVOCATIONS, quads };
    const taken = `
  for (var k = lid; k < ${d}u; k += ${INVOCATIONS}u) {
    y[first * ${d}u + k] = x[first * ${d}u + k] - takenAt(0u, k);
  }`;
    return {
      reads: { x: 'f32', V: 'vec4<f32>', ...(parts ? { mean: 'f32' as const } : {}) },
      writes: {
        ...(along ? { along: 'f32' as const } : {}),
        ...(left ? { y: 'f32' as const } : {}),
      },
      sizes: ['rows', 'rank', 'tokens', 'stride', 'alongAt'],
      invocations: INVOCATIONS,
      workgroupBytes: projectedBytes(spec),
      code: `${projectionWgsl(spec)}
fn run(lid: u32, group: u32) {
  let first = group;
  let end = sizes.rows;
  if (first >= end) { return; }
  ${projectWgsl(spec, () => `x[first * ${d}u + k]`)}
  ${along ? alongWgsl(spec, parts) : ''}
  ${left ? taken : ''}
}`,
    };
  },
};
