import { meansWgsl, meanWgsl } from '../webgpu/means.js';
import type { Shader } from '../webgpu/shader.js';
import { sumWgsl } from '../webgpu/wgsl.js';

/** What tells programs that make the means' parts apart: `MeanParts` has the order of a row. */
export interface PartsSpec {
  readonly [field: string]: boolean;
  readonly masked: boolean;
  readonly mean: boolean;
  readonly scale: boolean;
  readonly keepsScale: boolean;
  readonly basis: boolean; // the factors are taken out of off, and their coefficients a result
}

/** Columns of a workgroup. */
export const MEAN_COLUMNS = 256;

const SIZES = ['samples', 'tokens', 'd', 'chunks', 'stride', 'scaleAt', 'rank', 'columns'];

const givenReads = ({ mean, scale }: PartsSpec) => ({
  sums: 'f32' as const,
  ...(mean ? { origin: 'f32' as const } : {}),
  ...(scale ? { scale: 'f32' as const } : {}),
});

const partsWrites = ({ basis }: PartsSpec) => ({
  parts: 'f32' as const,
  ...(basis ? { coefficients: 'f32' as const } : {}),
});

/** `offOf`, and `writeColumn`, which gives a column of a sample's parts. */
const offWgsl = ({ masked, mean, scale, keepsScale }: PartsSpec) => `${meanWgsl(masked)}
fn offOf(mean: f32, column: u32) -> f32 {
  var off = mean;
  ${mean ? 'off -= origin[column];' : ''}
  ${scale ? 'off /= scale[column];' : ''}
  return off;
}
fn writeColumn(sample: u32, column: u32) {
  let mean = meanOf(sample, column);
  let first = sample * sizes.stride;
  parts[first + column] = mean;
  parts[first + sizes.d + column] = offOf(mean, column);
  ${keepsScale ? 'parts[first + sizes.scaleAt + column] = scale[column];' : ''}
}`;

/** The means, and off. */
export const partsShader: Shader<PartsSpec> = {
  name: 'meanParts',
  build: (spec) => ({
    reads: givenReads(spec),
    writes: partsWrites(spec),
    sizes: SIZES,
    invocations: MEAN_COLUMNS,
    workgroupBytes: 0,
    code: `${offWgsl(spec)}
fn run(lid: u32, group: u32) {
  let sample = group / sizes.columns;
  let column = (group % sizes.columns) * ${MEAN_COLUMNS}u + lid;
  if (sample >= sizes.samples || column >= sizes.d) { return; }
  writeColumn(sample, column);
}`,
  }),
};

/**
 * Of the workgroups of a sample the first give columns of the means, the others a coefficient each,
 * the means made again: they are short sums.
 */
export const factorsShader: Shader<PartsSpec> = {
  name: 'meanPartsByFactors',
  build: (spec) => ({
    reads: { ...givenReads(spec), factors: 'f32' },
    writes: partsWrites(spec),
    sizes: SIZES,
    invocations: MEAN_COLUMNS,
    workgroupBytes: 4 * MEAN_COLUMNS,
    code: `${offWgsl(spec)}${meansWgsl(spec.masked)}
var<workgroup> terms: array<f32, ${MEAN_COLUMNS}>;
fn run(lid: u32, group: u32) {
  let sample = group / (sizes.columns + sizes.rank);
  let part = group % (sizes.columns + sizes.rank);
  if (sample >= sizes.samples) { return; }
  if (part < sizes.columns) {
    let column = part * ${MEAN_COLUMNS}u + lid;
    if (column < sizes.d) { writeColumn(sample, column); }
    return;
  }
  let row = part - sizes.columns;
  var sum = 0f;
  for (var begin = lid; begin < sizes.d; begin += ${4 * MEAN_COLUMNS}u) {
    let wanted = vec4<u32>(begin) + ${MEAN_COLUMNS}u * vec4<u32>(0u, 1u, 2u, 3u);
    let columns = min(wanted, vec4<u32>(sizes.d - 1u));
    let means = meansOf(sample, columns);
    ${[0, 1, 2, 3].map(termWgsl).join('\n    ')}
  }
  terms[lid] = sum;
  ${sumWgsl('terms', MEAN_COLUMNS)}
  if (lid == 0u) {
    ${spec.basis ? 'coefficients[sample * sizes.rank + row] = terms[0];' : ''}
    parts[sample * sizes.stride + 2u * sizes.d + row] = terms[0];
  }
}`,
  }),
};

/** A column's term of a coefficient. */
function termWgsl(i: number): string {
  const off = `offOf(means[${i}], columns[${i}])`;
  const term = `${off} * factors[row * sizes.d + columns[${i}]]`;
  return `sum += select(0f, ${term}, wanted[${i}] < sizes.d);`;
}

/** off − c B, in the place of off. */
export const restShader: Shader<Record<never, never>> = {
  name: 'meanRest',
  build: () => ({
    reads: { factors: 'f32' },
    writes: { parts: 'f32' },
    sizes: ['samples', 'd', 'rank', 'stride'],
    invocations: MEAN_COLUMNS,
    workgroupBytes: 0,
    code: `${REST_WGSL}
fn run(lid: u32, group: u32) {
  let at = group * ${MEAN_COLUMNS}u + lid;
  let offs = (at / sizes.d) * sizes.stride + sizes.d;
  if (at >= sizes.samples * sizes.d) { return; }
  parts[offs + at % sizes.d] = restOf(offs, at % sizes.d);
}`,
  }),
};

/** off − c B of a column, four rows of the basis on their way at a time. */
const REST_WGSL = `
fn restOf(offs: u32, column: u32) -> f32 {
  var off = parts[offs + column];
  let by = offs + sizes.d;
  var i = 0u;
  for (; i + 4u <= sizes.rank; i += 4u) {
    let at = i * sizes.d + column;
    let four = vec4<f32>(factors[at], factors[at + sizes.d], factors[at + 2u * sizes.d],
      factors[at + 3u * sizes.d]);
    let c = vec4<f32>(parts[by + i], parts[by + i + 1u], parts[by + i + 2u], parts[by + i + 3u]);
    off -= dot(c, four);
  }
  for (; i < sizes.rank; i++) { off -= parts[by + i] * factors[i * sizes.d + column]; }
  return off;
}`;

/** A workgroup for each sample and direction. */
export const leftAlongShader: Shader<Record<never, never>> = {
  name: 'meanLeftAlong',
  build: () => ({
    reads: { directions: 'f32' },
    writes: { parts: 'f32' },
    sizes: ['samples', 'd', 'rank', 'stride', 'alongAt'],
    invocations: MEAN_COLUMNS,
    workgroupBytes: 4 * MEAN_COLUMNS,
    code: `
var<workgroup> terms: array<f32, ${MEAN_COLUMNS}>;
fn run(lid: u32, group: u32) {
  let first = (group / sizes.rank) * sizes.stride;
  let row = group % sizes.rank;
  if (group >= sizes.samples * sizes.rank) { return; }
  var sum = 0f;
  for (var column = lid; column < sizes.d; column += ${MEAN_COLUMNS}u) {
    sum += parts[first + sizes.d + column] * directions[row * sizes.d + column];
  }
  terms[lid] = sum;
  ${sumWgsl('terms', MEAN_COLUMNS)}
  if (lid == 0u) { parts[first + sizes.alongAt + row] = terms[0]; }
}`,
  }),
};

/** Off, in rows of its own. */
export const offShader: Shader<Record<never, never>> = {
  name: 'offRows',
  build: () => ({
    reads: { parts: 'f32' },
    writes: { out: 'f32' },
    sizes: ['samples', 'd', 'stride'],
    invocations: MEAN_COLUMNS,
    workgroupBytes: 0,
    code: `
fn run(lid: u32, group: u32) {
  let at = group * ${MEAN_COLUMNS}u + lid;
  if (at >= sizes.samples * sizes.d) { return; }
  out[at] = parts[(at / sizes.d) * sizes.stride + sizes.d + at % sizes.d];
}`,
  }),
};
