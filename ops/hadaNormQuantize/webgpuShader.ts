import { codeOffset, hasZeroPoint, type UniformFormat } from '../numerics/formats.js';
import { codeCenter } from '../webgpu/codes.js';
import {
  factorsOf,
  PLACE_WGSL,
  paddedLength,
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
 * Behind the rows of x come those of the means, (off − c B) H, which are written as they are.
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
  const { before, after } = factors.length === 0 ? { before: 1, after: 1 } : scalesOf(blockSize);
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
      ...['rowGroups', 'basisRank', 'low', 'high'],
    ],
    invocations,
    workgroupBytes: 4 * (held + 3 * invocations + 2 * groups) + projectedBytes(spec),
    code: `${quantizerWgsl(format)}${PLACE_WGSL}
${memory ? '' : `var<workgroup> line: array<f32, ${held}>;`}
var<workgroup> least: array<f32, ${invocations}>;
var<workgroup> most: array<f32, ${invocations}>;
var<workgroup> top: array<u32, ${invocations}>;
var<workgroup> parameters: array<vec2<f32>, ${groups}>;
${loadWgsl(spec)}
${spec.quads > 0 ? projectionWgsl(spec) : ''}
fn run(lid: u32, group: u32) {
  let ofMeans = ${residual ? 'group >= sizes.rowGroups' : 'false'};
  let first = (group - select(0u, sizes.rowGroups, ofMeans)) * ${rows}u;
  let end = select(sizes.rows, sizes.samples, ofMeans);
  if (first >= end) { return; }
  ${memory ? '' : fillWgsl(spec, before)}
  ${stagesWgsl(stagesOf(factors, false), length, invocations, after)}
  ${directionsWgsl(spec)}
  ${rangesWgsl(spec)}
  ${codesWgsl(spec)}
}`,
  };
}

/** Rows into workgroup memory. */
function fillWgsl({ d, rows, invocations, residual }: QuantizeSpec, before: number): string {
  return `
  for (var i = lid; i < ${rows * d}u; i += ${invocations}u) {
    let row = min(first + i / ${d}u, end - 1u);
    let column = i % ${d}u;
    ${residual ? 'if (ofMeans) { line[place(i)] = meanAt(row, column); } else' : ''}
    { line[place(i)] = valueAt(row, column)${before === 1 ? '' : ` * ${wgslFloat(before)}`}; }
  }
  workgroupBarrier();`;
}

/** A number of the workgroup's rows. */
function numberWgsl({ d, memory }: QuantizeSpec, i: string): string {
  return memory ? `x[min(first * ${d}u + ${i}, arrayLength(&x) - 1u)]` : `line[place(${i})]`;
}

function formatOf({ bits, codes }: QuantizeSpec): UniformFormat {
  return { kind: 'uniform', bits, codes, granularity: { kind: 'perTensor' } };
}

/** Functions that give a number of x, centered and scaled, and one of the means. */
function loadWgsl({ d, mean, scale, residual, basis, blockSize }: QuantizeSpec): string {
  const first = mean === 'parts' ? '(row / sizes.tokens) * sizes.stride + ' : '';
  const { before } = blockSize <= 1 ? { before: 1 } : scalesOf(blockSize);
  const means = `
fn meanAt(row: u32, column: u32) -> f32 {
  ${basis ? 'var' : 'let'} off = mean[row * sizes.stride + ${d}u + column];
  ${basis ? basisWgsl(d) : ''}
  return off${before === 1 ? '' : ` * ${wgslFloat(before)}`};
}`;
  return `
fn valueAt(row: u32, column: u32) -> f32 {
  var v = x[row * ${d}u + column];
  ${mean === 'none' ? '' : `v -= mean[${first}column];`}
  ${scale === 'own' ? 'v /= scale[column];' : ''}
  ${scale === 'parts' ? `v /= mean[${first}sizes.scaleAt + column];` : ''}
  return v;
}
${residual ? means : ''}`;
}

/** off − c B of a column, eight rows of the basis on their way at a time. */
function basisWgsl(d: number): string {
  const eight = [0, 1, 2, 3, 4, 5, 6, 7];
  return `
  let by = row * sizes.stride + ${2 * d}u;
  for (var i = 0u; i < sizes.basisRank; i += 8u) {
    ${eight
      .map((k) => `let b${k} = basis[min(i + ${k}u, sizes.basisRank - 1u) * ${d}u + column];`)
      .join('\n    ')}
    ${eight
      .map((k) => `if (i + ${k}u < sizes.basisRank) { off -= mean[by + i + ${k}u] * b${k}; }`)
      .join('\n    ')}
  }`;
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

function residualWgsl({ d, rows, invocations }: QuantizeSpec): string {
  return `
  if (ofMeans) {
    for (var i = lid; i < ${rows * d}u; i += ${invocations}u) {
      let row = first + i / ${d}u;
      if (row < end) { residual[row * ${d}u + i % ${d}u] = line[place(i)]; }
    }
    return;
  }`;
}

/**
 * Scale and zero point of every group: so many invocations for each, whose ranges are put together
 * in workgroup memory.
 */
function rangesWgsl(spec: QuantizeSpec): string {
  const { d, rows, invocations, groupSize, ranged, codes, bits } = spec;
  const groups = Math.ceil(d / groupSize);
  const count = rows * groups;
  let team = 1;
  while (2 * team * count <= invocations && team < groupSize) team *= 2;
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
    let begin = localRow * ${d}u + rowGroup * ${groupSize}u;
    let past = min(begin + ${groupSize}u, (localRow + 1u) * ${d}u);
    var lo = 0f;
    var hi = 0f;
    var magnitude = 0u;
    if (index < ${count}u) {
      for (var i = begin + member; i < past; i += ${team}u) {
        let v = ${numberWgsl(spec, 'i')};
        lo = min(lo, v);
        hi = max(hi, v);
        magnitude = max(magnitude, magnitudeBits(v));
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
      parameters[index] = own;
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
      let offset = offsetOf(v, scale, zero);
      let code = select(0, i32(offset + origin), isFinite1(scale));
      word |= (bitcast<u32>(code - ${codeCenter(bits)}) & 0xffu) << (8u * j);
    }
    words[k * sizes.padded + row] = word;
  }`;
}
