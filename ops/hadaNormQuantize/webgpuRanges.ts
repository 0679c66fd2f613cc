import { codeOffset, hasZeroPoint, type UniformFormat } from '../numerics/formats.js';
import type { Stage } from '../webgpu/hadamardStages.js';
import { wgslFloat } from '../webgpu/wgsl.js';
import { numberWgsl, type QuantizeSpec } from './webgpuSpec.js';

/**
 * Where the ranges of groups come from: the numbers in workgroup memory, or what the last stage's
 * invocations have of them, each of all its numbers, or by fibers of the stage.
 */
export type RangesFrom =
  | { readonly kind: 'numbers' | 'invocations'; readonly unit: 1 }
  | { readonly kind: 'fibers'; readonly unit: number };

/** Fibers of fewer numbers take more memory than it saves time. */
const LEAST_UNIT = 8;

/** Where the ranges of groups come from best. */
export function rangesFrom(spec: QuantizeSpec, stages: readonly Stage[]): RangesFrom {
  const { d, rows, groupSize, subtract } = spec;
  const order = stages[stages.length - 1]?.order ?? 0;
  if (order === 0 || subtract) return { kind: 'numbers', unit: 1 };
  if (rows === 1 && groupSize === d) return { kind: 'invocations', unit: 1 };
  if (order < LEAST_UNIT || groupSize % order !== 0) return { kind: 'numbers', unit: 1 };
  return { kind: 'fibers', unit: order };
}

/** Bytes of workgroup memory for ranges of so many numbers. */
export function rangesBytes({ kind, unit }: RangesFrom, length: number): number {
  return kind === 'fibers' ? (12 * length) / unit : 0;
}

const PARTS = [
  { type: 'f32', take: 'min', of: (y: string) => y },
  { type: 'f32', take: 'max', of: (y: string) => y },
  { type: 'u32', take: 'max', of: (y: string) => `magnitudeBits(${y})` },
] as const;

/** WGSL: where ranges are kept of what the last stage has, `length` numbers in all. */
export function keptRangesWgsl({ kind, unit }: RangesFrom, length: number): string {
  if (kind === 'numbers') return '';
  return PARTS.map(({ type }, i) =>
    kind === 'fibers'
      ? `var<workgroup> unit${i}: array<${type}, ${length / unit}>;`
      : `var<private> unit${i}: ${type};`,
  ).join('\n');
}

/** WGSL statements: the range of the last stage's fiber. */
export function keepRangeWgsl({ kind }: RangesFrom, order: number): string {
  if (kind === 'numbers') return '';
  return PARTS.map(({ type, take, of }, i) => {
    const all = Array.from({ length: order }, (_, k) => of(`y${k}`));
    const place = kind === 'fibers' ? `unit${i}[fiber]` : `unit${i}`;
    const first = kind === 'fibers' ? (type === 'f32' ? '0f' : '0u') : place;
    return `${place} = ${[first, ...all].reduce((a, b) => `${take}(${a}, ${b})`)};`;
  }).join('\n    ');
}

/**
 * Scale and zero point of every group: so many invocations for each, whose ranges are put together
 * in workgroup memory.
 */
export function rangesWgsl(spec: QuantizeSpec, from: RangesFrom): string {
  const { unit } = from;
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
    ${
      from.kind === 'invocations'
        ? INVOCATION_WGSL
        : `if (index < ${count}u) {
      for (var i = begin + member; i < past; i += ${team}u) {
        ${from.kind === 'fibers' ? FIBER_WGSL : numberRangeWgsl(numberWgsl(spec, 'i'))}
      }
    }`
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

const INVOCATION_WGSL = 'lo = unit0; hi = unit1; magnitude = unit2;';

const FIBER_WGSL =
  'lo = min(lo, unit0[i]); hi = max(hi, unit1[i]); magnitude = max(magnitude, unit2[i]);';

const numberRangeWgsl = (number: string) => `let v = ${number};
        lo = min(lo, v);
        hi = max(hi, v);
        magnitude = max(magnitude, magnitudeBits(v));`;

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
