import type { Built, Shader } from '../webgpu/shader.js';
import { sumWgsl } from '../webgpu/wgsl.js';
import type { Activation } from './contract.js';
import { activationWgsl } from './webgpuActivations.js';

/** What tells products of a few float32 rows by packed weights apart. */
export interface RowsSpec {
  readonly [field: string]: number | boolean | string;
  readonly count: number; // rows of x at a time
  readonly vectors: number; // of 4 columns of y a workgroup
  readonly aligned: boolean; // x has whole words of W: vectors of 4 channels
  readonly words: number; // of 4 channels a step
  readonly nibbles: boolean; // 8 channels of W a word
  readonly product: boolean; // x, [rows, d], goes through W
  readonly basis: boolean; // coefficients · basis is added
  readonly scaled: boolean; // a row of the basis has a scale
  readonly bias: boolean;
  readonly rows: boolean; // [samples, n] is added
  readonly activation: Activation;
}

const INVOCATIONS = 256;

/** Words of W that an invocation has on their way at a time: they come from afar. */
const TOGETHER = 4;

/** Columns of a workgroup, in vectors of 4: few, where W has many rows of words. */
export function vectorsFor(wRows: number): number {
  return [8, 4].find((vectors) => wRows * vectors <= INVOCATIONS * TOGETHER) ?? 2;
}

/**
 * activation(x W + coefficients · basis + bias + rows) for few rows of float32 x: what is read is
 * W. Invocations of a workgroup have a vector of columns and a part of d each, whose sums are added
 * up in workgroup memory. A step of W is read with its scale, and unpacked in registers.
 */
export const rowsShader: Shader<RowsSpec> = { name: 'QuantizedMatMulRows', build: buildRows };

function buildRows(spec: RowsSpec): Built {
  const { count, vectors, product, basis, scaled, bias, rows, aligned } = spec;
  const slices = INVOCATIONS / vectors;
  const each = (text: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => text(i)).join('\n  ');
  return {
    reads: {
      ...(product ? { X: aligned ? 'vec4<f32>' : 'f32', W: 'vec4<u32>' } : {}),
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
    invocations: INVOCATIONS,
    workgroupBytes: 16 * INVOCATIONS,
    code: `
${activationWgsl(spec.activation)}
var<workgroup> parts: array<vec4<f32>, ${INVOCATIONS}>;
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
  let column = (group % sizes.tilesN) * ${vectors}u + lid % ${vectors}u;
  let slice = lid / ${vectors}u;
  let row = (group / sizes.tilesN) * ${count}u;
  if (row >= sizes.m) { return; }
  ${each((i) => `var f${i} = vec4<f32>(0f);`)}
  ${product ? stepsWgsl(spec, each) : ''}
  ${basis ? basisWgsl(spec, each) : ''}
  ${each(
    (i) => `
  parts[lid] = f${i};
  ${sumWgsl('parts', slices, 'slice', vectors)}
  if (slice == 0u) { store(row + ${i}u, column, parts[lid]); }
  workgroupBarrier();`,
  )}
}`,
  };
}

/** Functions that unpack a channel of four columns, and give x. */
function productWgsl({ nibbles, aligned }: RowsSpec): string {
  const kept = nibbles ? 28 : 24;
  const shift = nibbles ? '28u - 8u * (i % 4u) - 4u * (i / 4u)' : '24u - 8u * i';
  return `
fn unpacked(word: vec4<u32>, i: u32) -> vec4<f32> {
  let top = bitcast<vec4<i32>>(word << vec4<u32>(${shift}));
  return vec4<f32>(top >> vec4<u32>(${kept}u));
}
fn valueOf(row: u32, k: u32) -> ${aligned ? 'vec4<f32>' : 'f32'} {
  return X[min(row, sizes.m - 1u) * ${aligned ? '(sizes.d / 4u)' : 'sizes.d'} + k];
}`;
}

type Each = (text: (i: number) => string) => string;

/** f += scale · Σ x q, a few words of W at a time. */
function stepsWgsl(spec: RowsSpec, each: Each): string {
  const { words, nibbles, vectors, aligned } = spec;
  const slices = INVOCATIONS / vectors;
  const channels = nibbles ? 8 : 4;
  const rowsOfStep = (4 * words) / channels;
  const all = (text: (j: number) => string) =>
    Array.from({ length: TOGETHER }, (_, j) => text(j)).join('');
  return `
  let wRows = sizes.steps * ${rowsOfStep}u;
  for (var first = slice; first < wRows; first += ${TOGETHER * slices}u) {
    ${all(
      (j) => `
    let r${j} = min(first + ${j * slices}u, wRows - 1u);
    let word${j} = W[r${j} * sizes.wVectors + column];
    let group${j} = r${j} / (sizes.perGroup * ${rowsOfStep}u);
    let scale${j} = bitcast<vec4<f32>>(W[(sizes.scaleAt + group${j}) * sizes.wVectors + column]);`,
    )}
    ${all(
      (j) => `
    if (first + ${j * slices}u < wRows) {
      ${each((i) => `var s${i} = vec4<f32>(0f);`)}
      ${aligned ? vectorsWgsl(channels / 4, j, each) : scalarsWgsl(channels, j, each)}
      ${each((i) => `f${i} += s${i} * scale${j};`)}
    }`,
    )}
  }`;
}

/** Channels of a word by x, where none is behind the last. */
function vectorsWgsl(count: number, j: number, each: Each): string {
  const products = (at: number) => {
    const terms = (i: number) => [0, 1, 2, 3].map((k) => `s${i} += x${i}[${k}] * w${k};`).join(' ');
    return `
      if (${count}u * r${j} + ${at}u < sizes.d / 4u) {
        ${[0, 1, 2, 3].map((k) => `let w${k} = unpacked(word${j}, ${4 * at + k}u);`).join(' ')}
        ${each((i) => `let x${i} = valueOf(row + ${i}u, ${count}u * r${j} + ${at}u); ${terms(i)}`)}
      }`;
  };
  return Array.from({ length: count }, (_, at) => products(at)).join('');
}

function scalarsWgsl(channels: number, j: number, each: Each): string {
  return `
      for (var i = 0u; i < ${channels}u; i++) {
        let k = r${j} * ${channels}u + i;
        if (k >= sizes.d) { break; }
        let w = unpacked(word${j}, i);
        ${each((i) => `s${i} += valueOf(row + ${i}u, k) * w;`)}
      }`;
}

/** Row i of a scaled basis belongs to coefficient i mod rank. */
function basisWgsl({ scaled, vectors }: RowsSpec, each: Each): string {
  const slices = INVOCATIONS / vectors;
  const factor = (i: number) => `
      coefficients[min(row + ${i}u, sizes.m - 1u) * sizes.rank + c]${scaled ? ' * factor' : ''}`;
  return `
  for (var b = slice; b < sizes.basisRows; b += ${slices}u) {
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
