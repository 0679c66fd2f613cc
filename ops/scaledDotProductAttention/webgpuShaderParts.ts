import { wgslFloat } from '../webgpu/wgsl.js';
import type { AttentionParts } from './webgpuTile.js';

/** Scores of keys that are hidden: below all others. Infinities are none that WGSL promises. */
export const LOWEST = -3e38;

/** Vectors that an invocation has on their way from memory at a time. */
const ON_THEIR_WAY = 6;

interface Stage {
  readonly count: number; // vectors
  readonly from: (i: string) => string;
  readonly to: (i: string) => string;
}

/** WGSL statements: vectors from memory into workgroup memory, several on their way at a time. */
export function stageWgsl({ invocations }: AttentionParts, { count, from, to }: Stage): string {
  const each = Math.ceil(count / invocations);
  const rounds = Math.ceil(each / ON_THEIR_WAY);
  const together = Math.ceil(each / rounds);
  const isWhole = rounds * together * invocations === count;
  const number = (n: number) => `i${n}`;
  const bounded = (n: number) => (isWhole ? number(n) : `min(${number(n)}, ${count - 1}u)`);
  return `
    for (var round = 0u; round < ${rounds}u; round++) {
      ${lines(together, (n) => {
        const i = `round * ${together * invocations}u + ${n * invocations}u + lid`;
        return `let ${number(n)} = ${i};`;
      })}
      ${lines(together, (n) => `let staged${n} = ${from(bounded(n))};`)}
      ${lines(together, (n) => {
        const store = `${to(number(n))} = staged${n};`;
        return isWhole ? store : `if (${number(n)} < ${count}u) { ${store} }`;
      })}
    }`;
}

/**
 * Four queries' scores to a key: scaled, the mask added, NaN and ∞ noted by their bits, hidden keys
 * lowest. −∞ is below all of NaN's bits among those that begin with a sign. Keys beyond the last
 * have its scores here.
 */
export function scoreWgsl({ masked, held, team, groups }: AttentionParts, j: number): string {
  const mask = (i: number) => `
      s${j}[${i}] += mask[b * sizes.mask_b + h * sizes.mask_h + key * sizes.mask_k
        + min(query + ${groups * i}u, sizes.queries - 1u) * sizes.mask_q];`;
  return `
    {
      ${held ? '' : `s${j} *= scale;`}
      ${masked ? `let key = min(firstKey + member + ${team * j}u, sizes.keys - 1u);` : ''}
      ${masked ? lines(4, mask) : ''}
      highBits = max(highBits, bitcast<vec4<u32>>(s${j}));
      highNumbers = max(highNumbers, bitcast<vec4<i32>>(s${j}));
      s${j} = max(s${j}, vec4<f32>(${wgslFloat(LOWEST)}));
    }`;
}

/** Sums of weights, and what was noted, of all that share the queries. */
export function togetherWgsl({ team, line }: AttentionParts): string {
  const gathered = (name: string, mine: string, take: (one: string) => string) => `
  team[member * ${line}u + row] = ${mine};
  workgroupBarrier();
  for (var i = 0u; i < ${team}u; i++) {
    if (i != member) { ${name} = ${take(`team[i * ${line}u + row]`)}; }
  }
  workgroupBarrier();`;
  // integers as numbers: as floats those bits may be NaN, which need not stay the same
  const spoilt = '(highBits > vec4<u32>(0xff800000u)) | (highNumbers >= vec4<i32>(0x7f800000))';
  return `${gathered('sums', 'sums', (one) => `sums + ${one}`)}
  ${gathered(
    'highNumbers',
    `select(vec4<f32>(0f), vec4<f32>(1f), ${spoilt})`,
    (one) => `select(highNumbers, vec4<i32>(0x7f800000), ${one} > vec4<f32>(0f))`,
  )}`;
}

/** `fn qAt(at: u32, vector: u32) -> vec4<f32>`: four channels, 0 beyond the last. */
export function readWgsl(name: string, channels: number, aligned: boolean): string {
  const body = aligned
    ? `return ${name}[at / 4u + vector];`
    : `
  var four = vec4<f32>(0f);
  for (var i = 0u; i < 4u; i++) {
    if (4u * vector + i < ${channels}u) { four[i] = ${name}[at + 4u * vector + i]; }
  }
  return four;`;
  return `
fn ${name}At(at: u32, vector: u32) -> vec4<f32> { ${body} }`;
}

/** Functions that give where a query's results are, and that write a vector and a number there. */
export function storeWgsl({
  valueChannels,
  valueVectors,
  aligned,
  singles,
}: AttentionParts): string {
  const body =
    aligned && singles === 0
      ? 'y[at / 4u + vector] = four;'
      : 'for (var i = 0u; i < 4u; i++) { storeOne(at, 4u * vector + i, four[i]); }';
  const one = `
fn storeOne(at: u32, channel: u32, value: f32) {
  if (channel < ${valueChannels}u) { y[at + channel] = value; }
}`;
  return `
fn placeOf(b: u32, h: u32, query: u32) -> u32 {
  return sizes.y_offset + b * sizes.y_b + h * sizes.y_h + query * sizes.y_t;
}
${aligned && singles === 0 ? '' : one}
fn store(at: u32, vector: u32, four: vec4<f32>) {
  if (vector >= ${valueVectors}u) { return; }
  ${body}
}`;
}

export function lines(count: number, text: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => text(i)).join('\n');
}

/** f(a, f(b, c)) of so many. */
export function nested(f: string, count: number, text: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => text(i)).reduce(
    (all, one) => `${f}(${all}, ${one})`,
  );
}
