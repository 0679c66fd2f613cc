import { codeOffset, hasZeroPoint, type UniformFormat } from '../numerics/formats.js';
import { codeCenter } from '../webgpu/codes.js';
import {
  factorsOf,
  PLACE_WGSL,
  paddedLength,
  type Stage,
  scalesOf,
  stagesOf,
  stagesWgsl,
} from '../webgpu/hadamardStages.js';
import { quantizerWgsl } from '../webgpu/quantizer.js';
import type { Built, Shader } from '../webgpu/shader.js';
import { wgslFloat } from '../webgpu/wgsl.js';
import {
  alongWgsl,
  projectedBytes,
  projectionWgsl,
  projectWgsl,
} from './webgpuDirectionsShaders.js';

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

/**
 * Codes of ((x − mean) / scale) H for rows of x, in one pass over memory: a workgroup takes rows
 * into its memory, centers, scales and rotates them there, finds each group's range and writes the
 * codes in the order in which products load them; beside directions also what goes along these.
 * Before the rows of x come those of the means, (off − c B) H, which are written as they are.
 *
 * Bound: writes words, scales, zeroPoints, and residual and along; reads x, then mean, scale (where
 * it is not behind the means), and a basis of the means or V where they are: eight at most, as
 * every device binds.
 */
export const quantizeShader: Shader<QuantizeSpec> = {
  name: 'HadaNormQuantizeRows',
  build: buildQuantize,
};

function buildQuantize(spec: QuantizeSpec): Built {
  const { d, rows, invocations, blockSize, residual, memory } = spec;
  const length = rows * d;
  const held = memory ? 0 : paddedLength(length);
  const groups = rows * Math.ceil(d / spec.groupSize);
  const factors = factorsOf(blockSize);
  const stages = stagesOf(factors, false);
  const { after } = factors.length === 0 ? { after: 1 } : scalesOf(blockSize);
  const around = { from: (offsets: readonly number[]) => firstWgsl(spec, offsets) };
  const unit = unitOf(spec, stages);
  const format = formatOf(spec);
  return {
    reads: {
      x: 'f32',
      ...(spec.mean === 'none' ? {} : { mean: 'f32' as const }),
      ...(spec.scale === 'own' ? { scale: 'f32' as const } : {}),
      ...(spec.basis ? { basis: 'f32' as const } : {}),
      ...(spec.quads > 0 ? { V: 'vec4<f32>' as const } : {}),
    },
    writes: {
      words: 'u32',
      scales: 'f32',
      zeroPoints: 'f32',
      ...(residual ? { residual: 'f32' as const } : {}),
      ...(spec.quads > 0 ? { along: 'f32' as const } : {}),
    },
    sizes: [
      ...['rows', 'padded', 'tokens', 'samples', 'stride', 'alongAt', 'scaleAt', 'rank'],
      ...['basisRank', 'low', 'high'],
    ],
    invocations,
    workgroupBytes:
      4 * (held + 3 * invocations + 4 * groups + (unit > 1 ? (3 * length) / unit : 0)) +
      projectedBytes(spec),
    code: `${quantizerWgsl(format)}${PLACE_WGSL}
${memory ? '' : `var<workgroup> line: array<f32, ${held}>;`}
var<workgroup> least: array<f32, ${invocations}>;
var<workgroup> most: array<f32, ${invocations}>;
var<workgroup> top: array<u32, ${invocations}>;
var<workgroup> parameters: array<vec4<f32>, ${groups}>;
${unit > 1 ? unitsWgsl(length / unit) : ''}
${loadWgsl(spec)}
${spec.quads > 0 ? projectionWgsl(spec) : ''}
fn run(lid: u32, group: u32) {
  ${residual ? rowsBehindMeansWgsl(rows) : rowsWgsl(rows)}
  if (first >= end) { return; }
  ${memory ? '' : fillWgsl(spec, stages.length > 0)}
  ${stagesWgsl(stages, length, invocations, after, {
    ...around,
    ...(unit > 1 ? { last: unitWgsl } : {}),
  })}
  ${directionsWgsl(spec)}
  ${rangesWgsl(spec, unit)}
  ${codesWgsl(spec)}
}`,
  };
}

/** The workgroups of the means, a row each, come first: they take the longest. */
const rowsBehindMeansWgsl = (rows: number) => `
  let ofMeans = group < sizes.samples;
  let first = select((group - sizes.samples) * ${rows}u, group, ofMeans);
  let end = select(sizes.rows, group + 1u, ofMeans);`;

const rowsWgsl = (rows: number) => `
  let ofMeans = false;
  let first = group * ${rows}u;
  let end = sizes.rows;`;

/** Rows into workgroup memory; those of x only where the first stage does not fetch them. */
function fillWgsl(spec: QuantizeSpec, rotated: boolean): string {
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
function firstWgsl(spec: QuantizeSpec, offsets: readonly number[]): string {
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

/**
 * Neighbours of which the range is known from the last stage: those that an invocation has there. 1
 * where it is not.
 */
function unitOf({ groupSize, subtract }: QuantizeSpec, stages: readonly Stage[]): number {
  const order = stages[stages.length - 1]?.order ?? 1;
  return subtract || groupSize % order !== 0 ? 1 : order;
}

/** Workgroup memory for the ranges of units. */
function unitsWgsl(count: number): string {
  return ['f32', 'f32', 'u32']
    .map((type, i) => `var<workgroup> unit${i}: array<${type}, ${count}>;`)
    .join('\n');
}

/** The range of the last stage's fiber. */
function unitWgsl(order: number): string {
  const all = (take: string, of = (i: number) => `y${i}`) =>
    Array.from({ length: order }, (_, i) => of(i)).reduce((a, b) => `${take}(${a}, ${b})`);
  return `
    unit0[fiber] = min(0f, ${all('min')});
    unit1[fiber] = max(0f, ${all('max')});
    unit2[fiber] = ${all('max', (i) => `magnitudeBits(y${i})`)};`;
}

/** A number of the workgroup's rows. */
function numberWgsl({ d, memory }: QuantizeSpec, i: string): string {
  return memory ? `x[min(first * ${d}u + ${i}, arrayLength(&x) - 1u)]` : `line[place(${i})]`;
}

function formatOf({ bits, codes }: QuantizeSpec): UniformFormat {
  return { kind: 'uniform', bits, codes, granularity: { kind: 'perTensor' } };
}

/** WGSL: `fn valueAt(row: u32, column: u32) -> f32`, a number of x, centered and scaled. */
function loadWgsl({ d, mean, scale }: QuantizeSpec): string {
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
    ${each(columns, (k) => `if (i + ${k * invocations}u < ${d}u) { line[place(column${k})] = off${k}${times}; }`)}
  }
  workgroupBarrier();`;
}

/**
 * What goes along the directions, and the residual of the means, of which that is taken out too
 * where it is of x.
 */
function directionsWgsl(spec: QuantizeSpec): string {
  const { d, quads, mean, residual, subtract } = spec;
  const write = residual ? residualWgsl(spec) : '';
  if (quads === 0) return write;
  const project = projectWgsl(spec, (row) => `line[place(${row * d}u + k)]`);
  const along = alongWgsl(spec, mean === 'parts');
  return subtract ? `${project}${takeWgsl(spec)}${write}${along}` : `${write}${project}${along}`;
}

function takeWgsl({ d, rows, invocations }: QuantizeSpec): string {
  return `
  for (var i = lid; i < ${rows * d}u; i += ${invocations}u) {
    line[place(i)] -= takenAt(i / ${d}u, i % ${d}u);
  }
  workgroupBarrier();`;
}

function residualWgsl({ d, invocations }: QuantizeSpec): string {
  return `
  if (ofMeans) {
    for (var i = lid; i < ${d}u; i += ${invocations}u) {
      residual[first * ${d}u + i] = line[place(i)];
    }
    return;
  }`;
}

/**
 * Scale and zero point of every group: so many invocations for each, whose ranges are put together
 * in workgroup memory.
 */
function rangesWgsl(spec: QuantizeSpec, unit: number): string {
  const { d, rows, invocations, groupSize, ranged, codes, bits } = spec;
  const groups = Math.ceil(d / groupSize);
  const count = rows * groups;
  const units = groupSize / unit;
  let team = 1;
  while (2 * team * count <= invocations && team < units) team *= 2;
  const perRound = Math.floor(invocations / team);
  const offset = codeOffset({ bits, codes } as UniformFormat);
  const limit = ranged ? 0x7f800000 : 0x7f7fffff;
  const origin = hasZeroPoint({ codes } as UniformFormat) ? 'found.y' : wgslFloat(offset);
  return `
  for (var round = 0u; round < ${Math.ceil(count / perRound)}u; round++) {
    let index = round * ${perRound}u + lid / ${team}u;
    let member = lid % ${team}u;
    let localRow = index / ${groups}u;
    let rowGroup = index % ${groups}u;
    let begin = localRow * ${d / unit}u + rowGroup * ${units}u;
    let past = min(begin + ${units}u, (localRow + 1u) * ${d / unit}u);
    var lo = 0f;
    var hi = 0f;
    var magnitude = 0u;
    if (index < ${count}u) {
      for (var i = begin + member; i < past; i += ${team}u) {
        ${unit > 1 ? '' : `let v = ${numberWgsl(spec, 'i')};`}
        lo = min(lo, ${unit > 1 ? 'unit0[i]' : 'v'});
        hi = max(hi, ${unit > 1 ? 'unit1[i]' : 'v'});
        magnitude = max(magnitude, ${unit > 1 ? 'unit2[i]' : 'magnitudeBits(v)'});
      }
    }
    least[lid] = lo;
    most[lid] = hi;
    top[lid] = magnitude;
    workgroupBarrier();
    ${rangesTogetherWgsl(team)}
    if (member == 0u && index < ${count}u && first + localRow < end) {
      let found = parametersOf(
        ${ranged ? 'bitcast<f32>(sizes.low), bitcast<f32>(sizes.high)' : 'least[lid], most[lid]'});
      let sound = top[lid] <= ${limit}u;
      let to = (first + localRow) * ${groups}u + rowGroup;
      let own = select(vec2<f32>(nanValue(), 0f), vec2<f32>(found.x, ${origin}), sound);
      parameters[index] = vec4<f32>(own, quotient(1f, own.x), 0f);
      scales[to] = own.x;
      zeroPoints[to] = own.y;
    }
    workgroupBarrier();
  }`;
}

/** The ranges of a team, eight at a time: fewer at a time take more barriers. */
function rangesTogetherWgsl(team: number): string {
  let text = '';
  for (let left = team; left > 1; left = Math.ceil(left / 8)) {
    const next = Math.ceil(left / 8);
    const others = Array.from({ length: left / next - 1 }, (_, i) => `lid + ${(i + 1) * next}u`);
    const all = (name: string, take: string) =>
      others.map((at) => `${name}[lid] = ${take}(${name}[lid], ${name}[${at}]);`).join(' ');
    text += `
    if (member < ${next}u) {
      ${all('least', 'min')}
      ${all('most', 'max')}
      ${all('top', 'max')}
    }
    workgroupBarrier();`;
  }
  return text;
}

/** Whole numbers added to this stand in the last bits, and take no conversion. */
const INTEGERS = 1.5 * 2 ** 23;

/** The words of all rows: neighbours in a word's line are neighbouring rows. */
function codesWgsl(spec: QuantizeSpec): string {
  const { d, rows, invocations, groupSize, bits, codes } = spec;
  const groups = Math.ceil(d / groupSize);
  const lineWords = Math.ceil(d / 4);
  const offset = wgslFloat(codeOffset({ bits, codes } as UniformFormat));
  const rowGroup = (column: string) => (groups === 1 ? '0u' : `${column} / ${groupSize}u`);
  const load = (column: string) => `
    let own = parameters[localRow * ${groups}u + ${rowGroup(column)}];
    let scale = own.x;
    let origin = own.y;
    let inverse = own.z;
    let sound = isFinite1(scale);
    let shifted = origin + ${wgslFloat(INTEGERS - codeCenter(bits))};
    let zero = origin - ${offset};`;
  const shared = groupSize % 4 === 0 || groups === 1;
  return `
  for (var i = lid; i < ${rows * lineWords}u; i += ${invocations}u) {
    let localRow = i % ${rows}u;
    let k = i / ${rows}u;
    let row = first + localRow;
    if (row >= end) { continue; }
    ${shared ? load('4u * k') : ''}
    var word = 0u;
    for (var j = 0u; j < 4u; j++) {
      let column = 4u * k + j;
      if (column >= ${d}u) { break; }
      ${shared ? '' : load('column')}
      let v = ${numberWgsl(spec, `localRow * ${d}u + column`)};
      let offset = offsetOf(v, v * inverse, scale, zero);
      let byte = select(${-codeCenter(bits)}i, bitcast<i32>(offset + shifted), sound);
      word |= (bitcast<u32>(byte) & 0xffu) << (8u * j);
    }
    words[k * sizes.padded + row] = word;
  }`;
}
