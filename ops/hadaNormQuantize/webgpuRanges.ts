import { codeOffset, hasZeroPoint, type UniformFormat } from '../numerics/formats.js';
import type { Stage } from '../webgpu/hadamardStages.js';
import { wgslFloat } from '../webgpu/wgsl.js';
import { numberWgsl, type QuantizeSpec } from './webgpuSpec.js';

/**
 * Where the ranges of groups come from: the numbers in workgroup memory, or what the last stage's
 * invocations have of them, each of all its numbers, which are of one row, or by fibers of the
 * stage.
 */
export type RangesFrom =
  | { readonly kind: 'numbers' | 'invocations'; readonly unit: 1 }
  | { readonly kind: 'fibers'; readonly unit: number };

/** Fibers of fewer numbers take more memory than it saves time. */
const LEAST_UNIT = 8;

/** Where the ranges of groups come from best. */
export function rangesFrom(spec: QuantizeSpec, stages: readonly Stage[]): RangesFrom {
  const { d, groupSize, subtract } = spec;
  const order = stages[stages.length - 1]?.order ?? 0;
  if (order === 0 || subtract) return { kind: 'numbers', unit: 1 };
  if (groupSize === d) return { kind: 'invocations', unit: 1 };
  if (order < LEAST_UNIT || groupSize % order !== 0) return { kind: 'numbers', unit: 1 };
  return { kind: 'fibers', unit: order };
}

/** Bytes of workgroup memory for ranges. */
export function rangesBytes(spec: QuantizeSpec, { kind, unit }: RangesFrom): number {
  const { d, rows, invocations, quads } = spec;
  return (quads > 0 ? 0 : 8 * invocations) + (kind === 'fibers' ? (8 * rows * d) / unit : 0);
}

/**
 * A range is two whole numbers, the bits of the largest number and of the largest negated one:
 * these have the order of the numbers, Inf and NaN are the largest, and 0 is the least.
 */
const PARTS = ['most', 'least'] as const;
type Part = (typeof PARTS)[number];
const bitsOf = (part: Part, v: string) =>
  part === 'most' ? `bitcast<i32>(${v})` : `bitcast<i32>(bitcast<u32>(${v}) ^ 0x80000000u)`;

/** Where the ranges of invocations lie: beside directions where these had their sums before. */
const slotOf = ({ quads }: QuantizeSpec, part: Part, at: string) =>
  quads > 0 ? `bitcast<i32>(terms[${at}].${part === 'most' ? 'x' : 'y'})` : `${part}[${at}]`;

function putWgsl(spec: QuantizeSpec, part: Part, bits: string): string {
  if (spec.quads === 0) return `${part}[lid] = ${bits};`;
  return `terms[lid].${part === 'most' ? 'x' : 'y'} = bitcast<f32>(${bits});`;
}

/** WGSL: workgroup memory for the ranges of invocations. */
export function slotsWgsl({ quads, invocations }: QuantizeSpec): string {
  if (quads > 0) return '';
  return PARTS.map((part) => `var<workgroup> ${part}: array<i32, ${invocations}>;`).join('\n');
}

/** WGSL: where ranges are kept of what the last stage has, `length` numbers in all. */
export function keptRangesWgsl({ kind, unit }: RangesFrom, length: number): string {
  if (kind === 'numbers') return '';
  return PARTS.map((part) =>
    kind === 'fibers'
      ? `var<workgroup> ${part}Of: array<i32, ${length / unit}>;`
      : `var<private> ${part}Of: i32;`,
  ).join('\n');
}

/** WGSL statements: the range of the last stage's fiber. */
export function keepRangeWgsl({ kind }: RangesFrom, order: number): string {
  if (kind === 'numbers') return '';
  return PARTS.map((part) => {
    const place = kind === 'fibers' ? `${part}Of[fiber]` : `${part}Of`;
    const all = Array.from({ length: order }, (_, k) => bitsOf(part, `y${k}`));
    const first = kind === 'fibers' ? '0' : place;
    return `${place} = ${all.reduce((a, b) => `max(${a}, ${b})`, first)};`;
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
  const team = teamFor(spec, from, count, units);
  const perRound = Math.floor(invocations / team);
  const offset = codeOffset({ bits, codes } as UniformFormat);
  const limit = ranged ? 0x7f800000 : 0x7f7fffff;
  const [low, high] = (['least', 'most'] as const).map((part) => slotOf(spec, part, 'lid'));
  const found = `-bitcast<f32>(${low}), bitcast<f32>(${high})`;
  const origin = hasZeroPoint({ codes } as UniformFormat) ? 'found.y' : wgslFloat(offset);
  return `
  for (var round = 0u; round < ${Math.ceil(count / perRound)}u; round++) {
    let index = round * ${perRound}u + lid / ${team}u;
    let member = lid % ${team}u;
    let localRow = index / ${groups}u;
    let rowGroup = index % ${groups}u;
    let begin = localRow * ${d / unit}u + rowGroup * ${units}u;
    let past = min(begin + ${units}u, (localRow + 1u) * ${d / unit}u);
    ${PARTS.map((part) => `var ${part}Bits = 0;`).join(' ')}
    ${from.kind === 'invocations' ? takeWgsl((part) => `${part}Of`) : teamWgsl(spec, from, team)}
    ${PARTS.map((part) => putWgsl(spec, part, `${part}Bits`)).join(' ')}
    workgroupBarrier();
    ${rangesTogetherWgsl(spec, team)}
    if (member == 0u && index < ${count}u && first + localRow < end) {
      let found = parametersOf(
        ${ranged ? 'bitcast<f32>(sizes.low), bitcast<f32>(sizes.high)' : found});
      let sound = max(${low}, ${high}) <= ${limit};
      let to = (first + localRow) * ${groups}u + rowGroup;
      let own = select(vec2<f32>(nanValue(), 0f), vec2<f32>(found.x, ${origin}), sound);
      parameters[index] = vec4<f32>(own, quotient(1f, own.x), 0f);
      scales[to] = own.x;
      zeroPoints[to] = own.y;
    }
    workgroupBarrier();
  }`;
}

/** Invocations of a group: those of a row where each has a range already, else as many as help. */
function teamFor(
  { rows, invocations }: QuantizeSpec,
  { kind }: RangesFrom,
  count: number,
  units: number,
): number {
  if (kind === 'invocations') return invocations / rows;
  let team = 1;
  while (2 * team * count <= invocations && team < units) team *= 2;
  return team;
}

/** WGSL statements: `mostBits` and `leastBits` of what there is for both. */
function takeWgsl(of: (part: Part) => string): string {
  return PARTS.map((part) => `${part}Bits = max(${part}Bits, ${of(part)});`).join(' ');
}

/** The same of all units that a member of a team has. */
function teamWgsl(spec: QuantizeSpec, { kind }: RangesFrom, team: number): string {
  const { d, rows, groupSize } = spec;
  const ofUnit = takeWgsl((part) => `${part}Of[i]`);
  const ofNumber = `let v = ${numberWgsl(spec, 'i')}; ${takeWgsl((part) => bitsOf(part, 'v'))}`;
  return `
    if (index < ${rows * Math.ceil(d / groupSize)}u) {
      for (var i = begin + member; i < past; i += ${team}u) {
        ${kind === 'fibers' ? ofUnit : ofNumber}
      }
    }`;
}

/** Ranges that an invocation puts together at a time: fewer at a time take more barriers. */
const TOGETHER = 16;

/** The ranges of a team. */
function rangesTogetherWgsl(spec: QuantizeSpec, team: number): string {
  let text = '';
  for (let left = team; left > 1; left = Math.ceil(left / TOGETHER)) {
    const next = Math.ceil(left / TOGETHER);
    const others = Array.from({ length: left / next - 1 }, (_, i) => `lid + ${(i + 1) * next}u`);
    const all = PARTS.map((part) => {
      const found = ['lid', ...others].map((at) => slotOf(spec, part, at));
      return putWgsl(
        spec,
        part,
        found.reduce((a, b) => `max(${a}, ${b})`),
      );
    });
    text += `
    if (member < ${next}u) { ${all.join(' ')} }
    workgroupBarrier();`;
  }
  return text;
}
