import { codeOffset, type UniformFormat } from '../numerics/formats.js';
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
import { fillWgsl, firstWgsl, loadWgsl } from './webgpuFill.js';
import {
  keepRangeWgsl,
  keptRangesWgsl,
  rangesBytes,
  rangesFrom,
  rangesWgsl,
  slotsWgsl,
} from './webgpuRanges.js';
import { numberWgsl, type QuantizeSpec } from './webgpuSpec.js';

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
  const held = heldNumbers(spec);
  const groups = groupsOf(spec);
  const stages = stagesFor(spec);
  const { after } = stages.length === 0 ? { after: 1 } : scalesOf(blockSize);
  const around = { from: (offsets: readonly number[]) => firstWgsl(spec, offsets) };
  const ranges = rangesFrom(spec, stages);
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
    workgroupBytes: workgroupBytes(spec),
    code: `${quantizerWgsl(format)}${PLACE_WGSL}
${memory ? '' : `var<workgroup> line: array<f32, ${held}>;`}
${slotsWgsl(spec)}
var<workgroup> parameters: array<vec4<f32>, ${groups}>;
${keptRangesWgsl(ranges, length)}
${loadWgsl(spec)}
${spec.quads > 0 ? projectionWgsl(spec) : ''}
fn run(lid: u32, group: u32) {
  ${residual ? rowsBehindMeansWgsl(rows) : rowsWgsl(rows)}
  if (first >= end) { return; }
  ${memory ? '' : fillWgsl(spec, stages.length > 0)}
  ${stagesWgsl(stages, length, invocations, after, {
    ...around,
    last: (order) => keepRangeWgsl(ranges, order),
    teams: ranges.kind === 'invocations' ? rows : 1,
  })}
  ${directionsWgsl(spec)}
  ${rangesWgsl(spec, ranges)}
  ${codesWgsl(spec)}
}`,
  };
}

/** Bytes of workgroup memory. */
export function workgroupBytes(spec: QuantizeSpec): number {
  const ranges = rangesBytes(spec, rangesFrom(spec, stagesFor(spec)));
  return 4 * (heldNumbers(spec) + 4 * groupsOf(spec)) + ranges + projectedBytes(spec);
}

function stagesFor({ blockSize }: QuantizeSpec): Stage[] {
  return stagesOf(factorsOf(blockSize), false);
}

/** Numbers of the rows in workgroup memory. */
function heldNumbers({ d, rows, memory }: QuantizeSpec): number {
  return memory ? 0 : paddedLength(rows * d);
}

/** Groups of all rows of a workgroup. */
function groupsOf({ d, rows, groupSize }: QuantizeSpec): number {
  return rows * Math.ceil(d / groupSize);
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

function formatOf({ bits, codes }: QuantizeSpec): UniformFormat {
  return { kind: 'uniform', bits, codes, granularity: { kind: 'perTensor' } };
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

/** The words of all rows: neighbours in a word's line are neighbouring rows. */
function codesWgsl(spec: QuantizeSpec): string {
  const { d, rows, invocations, groupSize, bits, codes } = spec;
  const groups = Math.ceil(d / groupSize);
  const offset = wgslFloat(codeOffset({ bits, codes } as UniformFormat));
  const rowGroup = (column: string) => (groups === 1 ? '0u' : `${column} / ${groupSize}u`);
  const load = (column: string) => `
    let own = parameters[localRow * ${groups}u + ${rowGroup(column)}];
    let bounds = boundsOf(own.x, own.y - ${offset});
    let sound = isFinite1(own.x);
    let center = i32(own.y) - ${codeCenter(bits)};`;
  const shared = groupSize % 4 === 0 || groups === 1;
  const byte = (j: number) => `
    ${d % 4 === 0 ? '' : `if (4u * k + ${j}u < ${d}u)`} {
      ${shared ? '' : load(`(4u * k + ${j}u)`)}
      let v = ${numberWgsl(spec, `localRow * ${d}u + 4u * k + ${j}u`)};
      let code = bitcast<i32>(offsetOf(v, v * own.z, own.x, bounds)) + center;
      word |= (bitcast<u32>(select(${-codeCenter(bits)}i, code, sound)) & 0xffu) << ${8 * j}u;
    }`;
  const perWord = shared && groups > 1;
  // rows divide invocations: an invocation's words are of one row
  return `
  let localRow = lid % ${rows}u;
  let row = first + localRow;
  if (row >= end) { return; }
  ${groups === 1 ? load('0u') : ''}
  for (var i = lid; i < ${rows * Math.ceil(d / 4)}u; i += ${invocations}u) {
    let k = i / ${rows}u;
    ${perWord ? load('4u * k') : ''}
    var word = 0u;
    ${[0, 1, 2, 3].map(byte).join('')}
    words[k * sizes.padded + row] = word;
  }`;
}
