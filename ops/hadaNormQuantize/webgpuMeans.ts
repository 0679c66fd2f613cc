import type { TensorInfo } from '@tensorflow/tfjs-core';
import { meanWgsl, type PartialSums } from '../webgpu/means.js';
import type { WebgpuScope } from '../webgpu/scope.js';
import type { Shader } from '../webgpu/shader.js';

/**
 * What the means give, for each sample: μ [d], then off = (μ − mean) / scale [d], then the
 * coefficients [r] once more, so that programs bind one buffer for all.
 */
export interface MeanParts {
  readonly info: TensorInfo; // [samples, 2 d + r]
  readonly coefficients: TensorInfo | null; // [samples, r]
  /** off − coefficients · basis, with a basis. */
  readonly rest: TensorInfo | null; // [samples, d]
}

type Given = Readonly<Record<'mean' | 'scale' | 'basis', TensorInfo | undefined>>;

/** The second stage of the means, and what of them goes by the basis. */
export function meanParts(webgpu: WebgpuScope, sums: PartialSums, given: Given): MeanParts {
  const { samples, tokens, d, width, chunks } = sums;
  const { mean, scale, basis } = given;
  const rank = basis?.shape[0] ?? 0;
  const info = webgpu.make([samples, 2 * d + rank]);
  const masked = width > d;
  const spec = { masked, mean: mean !== undefined, scale: scale !== undefined };
  const reads = [sums.info, ...[mean, scale, basis].filter((one) => one !== undefined)];
  if (basis === undefined) {
    const columns = Math.ceil(d / COLUMNS);
    const sizes = [samples, tokens, d, chunks, columns];
    webgpu.run(partsShader, spec, { reads, writes: [info], sizes, groups: samples * columns });
    return { info, coefficients: null, rest: null };
  }
  const [coefficients, rest] = [webgpu.make([samples, rank]), webgpu.make([samples, d])];
  if (rank * d <= MOST_AT_ONCE) {
    webgpu.run(basisPartsShader, spec, {
      reads,
      writes: [info, coefficients, rest],
      sizes: [samples, tokens, d, chunks, rank],
      groups: samples,
    });
    return { info, coefficients, rest };
  }
  const columns = Math.ceil(d / COLUMNS);
  webgpu.run(manyPartsShader, spec, {
    reads,
    writes: [info, coefficients],
    sizes: [samples, tokens, d, chunks, rank, columns],
    groups: samples * (columns + rank),
  });
  webgpu.run(
    restShader,
    {},
    {
      reads: [info, basis],
      writes: [rest],
      sizes: [samples, d, rank],
      groups: Math.ceil((samples * d) / COLUMNS),
    },
  );
  return { info, coefficients, rest };
}

/** Numbers of the basis that a workgroup goes over; beyond, several do, in two programs. */
const MOST_AT_ONCE = 2 ** 14;

interface PartsSpec {
  readonly [field: string]: boolean;
  readonly masked: boolean;
  readonly mean: boolean;
  readonly scale: boolean;
}

const givenReads = ({ mean, scale }: PartsSpec) => ({
  sums: 'f32' as const,
  ...(mean ? { origin: 'f32' as const } : {}),
  ...(scale ? { scale: 'f32' as const } : {}),
});

/** `offOf`, and `writeColumn`, which gives a column of a sample's parts; off begins at `offs`. */
const offWgsl = ({ masked, mean, scale }: PartsSpec) => `${meanWgsl(masked)}
fn offOf(mean: f32, column: u32) -> f32 {
  var off = mean;
  ${mean ? 'off -= origin[column];' : ''}
  ${scale ? 'off /= scale[column];' : ''}
  return off;
}
fn writeColumn(sample: u32, offs: u32, column: u32) {
  let mean = meanOf(sample, column);
  parts[offs - sizes.d + column] = mean;
  parts[offs + column] = offOf(mean, column);
}`;

/** Columns of a workgroup. */
const COLUMNS = 128;

const partsShader: Shader<PartsSpec> = {
  name: 'meanParts',
  build: (spec) => ({
    reads: givenReads(spec),
    writes: { parts: 'f32' },
    sizes: ['samples', 'tokens', 'd', 'chunks', 'columns'],
    invocations: COLUMNS,
    workgroupBytes: 0,
    code: `${offWgsl(spec)}
fn run(lid: u32, group: u32) {
  let sample = group / sizes.columns;
  let column = (group % sizes.columns) * ${COLUMNS}u + lid;
  if (sample >= sizes.samples || column >= sizes.d) { return; }
  writeColumn(sample, (2u * sample + 1u) * sizes.d, column);
}`,
  }),
};

/**
 * Of the workgroups of a sample the first give columns of the means, the others a coefficient each,
 * the means made again: they are short sums.
 */
const manyPartsShader: Shader<PartsSpec> = {
  name: 'meanPartsByLargeBasis',
  build: (spec) => ({
    reads: { ...givenReads(spec), basis: 'f32' },
    writes: { parts: 'f32', coefficients: 'f32' },
    sizes: ['samples', 'tokens', 'd', 'chunks', 'rank', 'columns'],
    invocations: COLUMNS,
    workgroupBytes: 4 * COLUMNS,
    code: `${offWgsl(spec)}
var<workgroup> terms: array<f32, ${COLUMNS}>;
fn run(lid: u32, group: u32) {
  let sample = group / (sizes.columns + sizes.rank);
  let part = group % (sizes.columns + sizes.rank);
  let first = sample * (2u * sizes.d + sizes.rank);
  if (sample >= sizes.samples) { return; }
  if (part < sizes.columns) {
    let column = part * ${COLUMNS}u + lid;
    if (column < sizes.d) { writeColumn(sample, first + sizes.d, column); }
    return;
  }
  let row = part - sizes.columns;
  var sum = 0f;
  for (var column = lid; column < sizes.d; column += ${COLUMNS}u) {
    sum += offOf(meanOf(sample, column), column) * basis[row * sizes.d + column];
  }
  terms[lid] = sum;
  workgroupBarrier();
  for (var half = ${COLUMNS / 2}u; half > 0u; half /= 2u) {
    if (lid < half) { terms[lid] += terms[lid + half]; }
    workgroupBarrier();
  }
  if (lid == 0u) {
    coefficients[sample * sizes.rank + row] = terms[0];
    parts[first + 2u * sizes.d + row] = terms[0];
  }
}`,
  }),
};

/** off − c B. */
const restShader: Shader<Record<never, never>> = {
  name: 'meanRest',
  build: () => ({
    reads: { parts: 'f32', basis: 'f32' },
    writes: { rest: 'f32' },
    sizes: ['samples', 'd', 'rank'],
    invocations: COLUMNS,
    workgroupBytes: 0,
    code: `${REST_WGSL}
fn run(lid: u32, group: u32) {
  let at = group * ${COLUMNS}u + lid;
  let sample = at / sizes.d;
  let column = at % sizes.d;
  if (sample >= sizes.samples) { return; }
  rest[at] = restOf(sample * (2u * sizes.d + sizes.rank) + sizes.d, column);
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
    let four = vec4<f32>(basis[at], basis[at + sizes.d], basis[at + 2u * sizes.d],
      basis[at + 3u * sizes.d]);
    let c = vec4<f32>(parts[by + i], parts[by + i + 1u], parts[by + i + 2u], parts[by + i + 3u]);
    off -= dot(c, four);
  }
  for (; i < sizes.rank; i++) { off -= parts[by + i] * basis[i * sizes.d + column]; }
  return off;
}`;

const INVOCATIONS = 256;

/**
 * A workgroup for each sample, so that what needs all of its channels can follow in the same
 * program: the sums that it reads are few. Four coefficients at a time.
 */
const basisPartsShader: Shader<PartsSpec> = {
  name: 'meanPartsByBasis',
  build: (spec) => ({
    reads: { ...givenReads(spec), basis: 'f32' },
    writes: { parts: 'f32', coefficients: 'f32', rest: 'f32' },
    sizes: ['samples', 'tokens', 'd', 'chunks', 'rank'],
    invocations: INVOCATIONS,
    workgroupBytes: 16 * INVOCATIONS,
    code: `${offWgsl(spec)}
var<workgroup> terms: array<vec4<f32>, ${INVOCATIONS}>;
${REST_WGSL}
fn run(lid: u32, group: u32) {
  let sample = group;
  if (sample >= sizes.samples) { return; }
  let offs = sample * (2u * sizes.d + sizes.rank) + sizes.d;
  for (var column = lid; column < sizes.d; column += ${INVOCATIONS}u) {
    writeColumn(sample, offs, column);
  }
  for (var row = 0u; row < sizes.rank; row += 4u) {
    // an invocation reads the columns that it wrote
    var sum = vec4<f32>(0f);
    // rows beyond the last are read as the last, and left out below
    let most = sizes.rank - 1u;
    let lines = min(vec4<u32>(row, row + 1u, row + 2u, row + 3u), vec4<u32>(most)) * sizes.d;
    for (var column = lid; column < sizes.d; column += ${INVOCATIONS}u) {
      let at = lines + column;
      sum += parts[offs + column]
        * vec4<f32>(basis[at.x], basis[at.y], basis[at.z], basis[at.w]);
    }
    terms[lid] = sum;
    workgroupBarrier();
    for (var half = ${INVOCATIONS / 2}u; half > 0u; half /= 2u) {
      if (lid < half) { terms[lid] += terms[lid + half]; }
      workgroupBarrier();
    }
    sum = terms[0];
    workgroupBarrier();
    if (lid < min(4u, sizes.rank - row)) {
      coefficients[sample * sizes.rank + row + lid] = sum[lid];
      parts[offs + sizes.d + row + lid] = sum[lid];
    }
  }
  storageBarrier();
  for (var column = lid; column < sizes.d; column += ${INVOCATIONS}u) {
    rest[sample * sizes.d + column] = restOf(offs, column);
  }
}`,
  }),
};

/** off, in rows of its own. */
export function offRows(webgpu: WebgpuScope, { info, rest }: MeanParts, d: number): TensorInfo {
  if (rest !== null) return rest;
  const samples = info.shape[0]!;
  const out = webgpu.make([samples, d]);
  webgpu.run(
    offShader,
    {},
    {
      reads: [info],
      writes: [out],
      sizes: [samples, d],
      groups: Math.ceil((samples * d) / COLUMNS),
    },
  );
  return out;
}

const offShader: Shader<Record<never, never>> = {
  name: 'offRows',
  build: () => ({
    reads: { parts: 'f32' },
    writes: { out: 'f32' },
    sizes: ['samples', 'd'],
    invocations: COLUMNS,
    workgroupBytes: 0,
    code: `
fn run(lid: u32, group: u32) {
  let at = group * ${COLUMNS}u + lid;
  let sample = at / sizes.d;
  if (sample < sizes.samples) { out[at] = parts[(2u * sample + 1u) * sizes.d + at % sizes.d]; }
}`,
  }),
};
