import type { Built, Shader } from '../webgpu/shader.js';
import type { Activation } from './contract.js';
import { activationWgsl } from './webgpuActivations.js';

/** What tells products of a few float32 rows by packed weights apart. */
export interface RowsSpec {
  readonly [field: string]: number | boolean | string;
  readonly count: number; // rows of x at a time
  readonly words: number; // of 4 channels a step
  readonly nibbles: boolean; // 8 channels of W a word
  readonly product: boolean; // x, [rows, d], goes through W
  readonly basis: boolean; // coefficients · basis is added
  readonly scaled: boolean; // a row of the basis has a scale
  readonly bias: boolean;
  readonly rows: boolean; // [samples, n] is added
  readonly activation: Activation;
}

/** Columns of a workgroup, in vectors of 4. */
const VECTORS = 8;
/** Parts of d that a workgroup's invocations take. */
const SLICES = 32;

/** Columns of y of a workgroup. */
export const ROWS_TILE = 4 * VECTORS;

/**
 * activation(x W + coefficients · basis + bias + rows) for few rows of float32 x: what is read is
 * W. Invocations of a workgroup have 32 columns and a 32nd of d each, whose sums are added up in
 * workgroup memory. A step of W is read with its scale, and unpacked in registers.
 */
export const rowsShader: Shader<RowsSpec> = { name: 'QuantizedMatMulRows', build: buildRows };

function buildRows(spec: RowsSpec): Built {
  const { count, product, basis, scaled, bias, rows } = spec;
  const each = (text: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => text(i)).join('\n  ');
  return {
    reads: {
      ...(product ? { X: 'f32', W: 'vec4<u32>' } : {}),
      ...(basis ? { coefficients: 'f32', basis: 'f32' } : {}),
      ...(scaled ? { basisScale: 'f32' } : {}),
      ...(bias ? { bias: 'f32' } : {}),
      ...(rows ? { added: 'f32' } : {}),
    },
    writes: { Y: 'f32' },
    sizes: [
      ...['m', 'd', 'n', 'wVectors', 'steps', 'scaleAt', 'perGroup', 'rank', 'basisRows'],
      ...['tokens', 'tilesN'],
    ],
    invocations: VECTORS * SLICES,
    workgroupBytes: 16 * VECTORS * SLICES,
    code: `
${activationWgsl(spec.activation)}
var<workgroup> parts: array<vec4<f32>, ${VECTORS * SLICES}>;
${product ? productWgsl(spec) : ''}
fn addedTo(row: u32, n: u32) -> f32 {
  var sum = 0f;
  ${rows ? 'sum += added[(row / sizes.tokens) * sizes.n + n];' : ''}
  ${bias ? 'sum += bias[n];' : ''}
  return sum;
}
fn store(row: u32, column: u32, y: vec4<f32>) {
  for (var i = 0u; i < 4u; i++) {
    let n = 4u * column + i;
    if (row < sizes.m && n < sizes.n) {
      Y[row * sizes.n + n] = activate(y[i] + addedTo(row, n));
    }
  }
}
fn run(lid: u32, group: u32) {
  let column = (group % sizes.tilesN) * ${VECTORS}u + lid % ${VECTORS}u;
  let slice = lid / ${VECTORS}u;
  let row = (group / sizes.tilesN) * ${count}u;
  if (row >= sizes.m) { return; }
  ${each((i) => `var f${i} = vec4<f32>(0f);`)}
  ${product ? stepsWgsl(spec, each) : ''}
  ${basis ? basisWgsl(spec, each) : ''}
  ${each(
    (i) => `
  parts[lid] = f${i};
  workgroupBarrier();
  for (var half = ${SLICES / 2}u; half > 0u; half /= 2u) {
    if (slice < half) { parts[lid] += parts[lid + half * ${VECTORS}u]; }
    workgroupBarrier();
  }
  if (slice == 0u) { store(row + ${i}u, column, parts[lid]); }
  workgroupBarrier();`,
  )}
}`,
  };
}

/** Functions that unpack a channel of four columns, and give x. */
function productWgsl({ nibbles }: RowsSpec): string {
  const kept = nibbles ? 28 : 24;
  const shift = nibbles ? '28u - 8u * (i % 4u) - 4u * (i / 4u)' : '24u - 8u * i';
  return `
fn unpacked(word: vec4<u32>, i: u32) -> vec4<f32> {
  let top = bitcast<vec4<i32>>(word << vec4<u32>(${shift}));
  return vec4<f32>(top >> vec4<u32>(${kept}u));
}
fn valueOf(row: u32, k: u32) -> f32 {
  return X[min(row, sizes.m - 1u) * sizes.d + k];
}`;
}

/** Words of W that an invocation has on their way at a time: they come from afar. */
const TOGETHER = 4;

/** f += scale · Σ x q, a few words of W at a time. */
function stepsWgsl(
  { words, nibbles }: RowsSpec,
  each: (text: (i: number) => string) => string,
): string {
  const channels = nibbles ? 8 : 4;
  const rowsOfStep = (4 * words) / channels;
  const all = (text: (j: number) => string) =>
    Array.from({ length: TOGETHER }, (_, j) => text(j)).join('');
  return `
  let wRows = sizes.steps * ${rowsOfStep}u;
  for (var first = slice; first < wRows; first += ${TOGETHER * SLICES}u) {
    ${all(
      (j) => `
    let r${j} = min(first + ${j * SLICES}u, wRows - 1u);
    let word${j} = W[r${j} * sizes.wVectors + column];
    let group${j} = r${j} / (sizes.perGroup * ${rowsOfStep}u);
    let scale${j} = bitcast<vec4<f32>>(W[(sizes.scaleAt + group${j}) * sizes.wVectors + column]);`,
    )}
    ${all(
      (j) => `
    if (first + ${j * SLICES}u < wRows) {
      ${each((i) => `var s${i} = vec4<f32>(0f);`)}
      for (var i = 0u; i < ${channels}u; i++) {
        let k = r${j} * ${channels}u + i;
        if (k >= sizes.d) { break; }
        let w = unpacked(word${j}, i);
        ${each((i) => `s${i} += valueOf(row + ${i}u, k) * w;`)}
      }
      ${each((i) => `f${i} += s${i} * scale${j};`)}
    }`,
    )}
  }`;
}

/** Row i of a scaled basis belongs to coefficient i mod rank. */
function basisWgsl({ scaled }: RowsSpec, each: (text: (i: number) => string) => string): string {
  const factor = (i: number) => `
      coefficients[min(row + ${i}u, sizes.m - 1u) * sizes.rank + c]${scaled ? ' * factor' : ''}`;
  return `
  for (var b = slice; b < sizes.basisRows; b += ${SLICES}u) {
    let c = b % sizes.rank;
    ${scaled ? 'let factor = basisScale[b];' : ''}
    var line = vec4<f32>(0f);
    for (var i = 0u; i < 4u; i++) {
      let n = 4u * column + i;
      if (n < sizes.n) { line[i] = basis[b * sizes.n + n]; }
    }
    ${each((i) => `f${i} += line * (${factor(i)});`)}
  }`;
}
