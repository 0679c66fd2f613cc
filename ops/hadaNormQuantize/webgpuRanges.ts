import { codeOffset, hasZeroPoint, type UniformFormat } from '../numerics/formats.js';
import type { Stage } from '../webgpu/hadamardStages.js';
import { wgslFloat } from '../webgpu/wgsl.js';
import { numberWgsl, type QuantizeSpec } from './webgpuSpec.js';

/**
 * Neighbours of which the range is known from the last stage: those that an invocation has there. 1
 * where it is not.
 */
export function unitOf({ groupSize, subtract }: QuantizeSpec, stages: readonly Stage[]): number {
  const order = stages[stages.length - 1]?.order ?? 1;
  return subtract || groupSize % order !== 0 ? 1 : order;
}

/** Workgroup memory for the ranges of units. */
export function unitsWgsl(count: number): string {
  return ['f32', 'f32', 'u32']
    .map((type, i) => `var<workgroup> unit${i}: array<${type}, ${count}>;`)
    .join('\n');
}

/** The range of the last stage's fiber. */
export function unitWgsl(order: number): string {
  const all = (take: string, of = (i: number) => `y${i}`) =>
    Array.from({ length: order }, (_, i) => of(i)).reduce((a, b) => `${take}(${a}, ${b})`);
  return `
    unit0[fiber] = min(0f, ${all('min')});
    unit1[fiber] = max(0f, ${all('max')});
    unit2[fiber] = ${all('max', (i) => `magnitudeBits(y${i})`)};`;
}

/**
 * Scale and zero point of every group: so many invocations for each, whose ranges are put together
 * in workgroup memory.
 */
export function rangesWgsl(spec: QuantizeSpec, unit: number): string {
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
