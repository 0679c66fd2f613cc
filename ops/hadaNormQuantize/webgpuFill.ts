import { scalesOf } from '../webgpu/hadamardStages.js';
import { wgslFloat } from '../webgpu/wgsl.js';
import type { QuantizeSpec } from './webgpuSpec.js';

/** Rows into workgroup memory; those of x only where the first stage does not fetch them. */
export function fillWgsl(spec: QuantizeSpec, rotated: boolean): string {
  const { d, rows, invocations, residual } = spec;
  const values = `
  for (var i = lid; i < ${rows * d}u; i += ${invocations}u) {
    line[place(i)] = valueAt(min(first + i / ${d}u, end - 1u), i % ${d}u);
  }
  workgroupBarrier();`;
  if (!residual) return rotated ? '' : values;
  return `if (ofMeans) {${fillMeansWgsl(spec)}}${rotated ? '' : ` else {${values}}`}`;
}

/** The numbers of a fiber of the first stage, all on their way at a time. */
export function firstWgsl(spec: QuantizeSpec, offsets: readonly number[]): string {
  const { d, residual } = spec;
  const { before } = scalesOf(spec.blockSize);
  const each = (text: (offset: number, i: number) => string) => offsets.map(text).join(' ');
  const value = (offset: number) =>
    `valueAt(fiberRow, fiberColumn + ${offset}u) * ${wgslFloat(before)}`;
  const place = `
    let fiberRow = min(first + start / ${d}u, end - 1u);
    let fiberColumn = start % ${d}u;`;
  if (!residual) return `${place} ${each((offset, i) => `let v${i} = ${value(offset)};`)}`;
  return `${place}
    ${each((_, i) => `var v${i}: f32;`)}
    if (ofMeans) { ${each((offset, i) => `v${i} = line[place(start + ${offset}u)];`)} }
    else { ${each((offset, i) => `v${i} = ${value(offset)};`)} }`;
}

/** WGSL: `fn valueAt(row: u32, column: u32) -> f32`, a number of x, centered and scaled. */
export function loadWgsl({ d, mean, scale }: QuantizeSpec): string {
  const first = mean === 'parts' ? '(row / sizes.tokens) * sizes.stride + ' : '';
  return `
fn valueAt(row: u32, column: u32) -> f32 {
  var v = x[row * ${d}u + column];
  ${mean === 'none' ? '' : `v -= mean[${first}column];`}
  ${scale === 'own' ? 'v /= scale[column];' : ''}
  ${scale === 'parts' ? `v /= mean[${first}sizes.scaleAt + column];` : ''}
  return v;
}`;
}

/** Columns of the means, and rows of their basis, that an invocation has at a time. */
const [MEAN_COLUMNS, BASIS_ROWS] = [4, 4];

/** The means' row into workgroup memory: off, less c B where there is a basis. */
function fillMeansWgsl({ d, invocations, basis, blockSize }: QuantizeSpec): string {
  const { before } = blockSize <= 1 ? { before: 1 } : scalesOf(blockSize);
  const times = before === 1 ? '' : ` * ${wgslFloat(before)}`;
  const columns = basis ? MEAN_COLUMNS : 1;
  const each = (count: number, text: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => text(i)).join('\n      ');
  const byRow = (b: number) => `
      let c${b} = select(0f, mean[by + min(b + ${b}u, sizes.basisRank - 1u)],
        b + ${b}u < sizes.basisRank);
      let row${b} = min(b + ${b}u, sizes.basisRank - 1u) * ${d}u;
      ${each(columns, (k) => `let b${b}_${k} = basis[row${b} + column${k}];`)}`;
  const take = (k: number) =>
    `off${k} -= ${Array.from({ length: BASIS_ROWS }, (_, b) => `c${b} * b${b}_${k}`).join(' + ')};`;
  return `
  let offs = first * sizes.stride + ${d}u;
  for (var i = lid; i < ${d}u; i += ${columns * invocations}u) {
    ${each(columns, (k) => `let column${k} = min(i + ${k * invocations}u, ${d - 1}u);`)}
    ${each(columns, (k) => `var off${k} = mean[offs + column${k}];`)}
    ${
      basis
        ? `let by = offs + ${d}u;
    for (var b = 0u; b < sizes.basisRank; b += ${BASIS_ROWS}u) {
      ${each(BASIS_ROWS, byRow)}
      ${each(columns, take)}
    }`
        : ''
    }
    ${each(columns, (k) => {
      const put = `line[place(column${k})] = off${k}${times};`;
      return `if (i + ${k * invocations}u < ${d}u) { ${put} }`;
    })}
  }
  workgroupBarrier();`;
}
