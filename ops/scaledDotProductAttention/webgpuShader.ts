import type { Demands } from '../webgpu/limits.js';
import type { Built, Shader } from '../webgpu/shader.js';
import { FINITE_WGSL, wgslFloat } from '../webgpu/wgsl.js';

/** What tells the programs apart. */
export interface AttentionSpec {
  readonly [field: string]: number | boolean;
  readonly queries: number; // of a workgroup, a multiple of 4
  readonly keys: number; // of a tile, a multiple of the team
  /** Invocations that share four queries: each has every so many keys, and vectors of values. */
  readonly team: number;
  readonly channels: number;
  readonly valueChannels: number;
  readonly masked: boolean;
  readonly aligned: boolean; // channels and places are multiples of 4
}

/** Where an operand's elements are: numbers among the sizes, as `qOffset`. */
export const VIEW_FIELDS = ['offset', 'b', 'h', 't'] as const;

/** Scores of keys that are hidden: below all others. Infinities are none that WGSL promises. */
const LOWEST = -3e38;

/**
 * softmax(scale · q kᵀ + mask) v. A team of invocations has four queries: each its part of a tile's
 * keys, a vector of four scores for each key, and its part of the values' vectors. Maxima go
 * through workgroup memory once a tile, so that sums so far are weighed anew.
 */
export const attentionShader: Shader<AttentionSpec> = {
  name: 'ScaledDotProductAttention',
  build: buildAttention,
};

/** What a program asks of the device. */
export function attentionDemands(spec: Sizes): Demands {
  const total = Object.values(lengthsOf(spec)).reduce((sum, length) => sum + length, 0);
  return {
    invocations: (spec.queries / 4) * spec.team,
    workgroupBytes: 16 * total,
    storageBuffers: 5,
  };
}

type Sizes = Pick<AttentionSpec, 'queries' | 'keys' | 'team' | 'channels' | 'valueChannels'>;

/** Arrays in workgroup memory, in vectors. Values take the keys' place. */
function lengthsOf({ queries, keys, team, channels, valueChannels }: Sizes) {
  const vectors = Math.ceil(channels / 4);
  // rows of keys are one longer, so that writes meet all banks
  const shared = Math.max(vectors * (keys + 1), keys * Math.ceil(valueChannels / 4));
  return {
    Q: vectors * queries,
    KV: shared,
    P: (keys * queries) / 4,
    team: (team * queries) / 4,
  };
}

function buildAttention(spec: AttentionSpec): Built {
  const { channels, valueChannels, masked, aligned } = spec;
  const { invocations, workgroupBytes } = attentionDemands(spec);
  const vectors = Math.ceil(channels / 4);
  const valueVectors = Math.ceil(valueChannels / 4);
  const type = aligned ? 'vec4<f32>' : 'f32';
  return {
    reads: { q: type, k: type, v: type, ...(masked ? { mask: 'f32' as const } : {}) },
    writes: { y: type },
    sizes: [
      ...['heads', 'h', 'queries', 'keys', 'tiles', 'scale'],
      ...['q', 'k', 'v', 'y'].flatMap((name) => VIEW_FIELDS.map((field) => `${name}_${field}`)),
      ...['mask_b', 'mask_h', 'mask_q', 'mask_k'],
    ],
    invocations,
    workgroupBytes,
    code: `${FINITE_WGSL}
${Object.entries(lengthsOf(spec))
  .map(([name, length]) => `var<workgroup> ${name}: array<vec4<f32>, ${length}>;`)
  .join('\n')}
${['q', 'k'].map((name) => readWgsl(name, channels, aligned)).join('')}
${readWgsl('v', valueChannels, aligned)}
${storeWgsl(spec)}
${mainWgsl(spec, { invocations, vectors, valueVectors })}`,
  };
}

interface Lengths {
  readonly invocations: number;
  readonly vectors: number;
  readonly valueVectors: number;
}

function mainWgsl(spec: AttentionSpec, { invocations, vectors, valueVectors }: Lengths): string {
  const { queries, keys, team } = spec;
  const groups = queries / 4;
  const perKey = keys / team;
  const perValue = Math.ceil(valueVectors / team);
  const eachKey = (text: (j: number) => string) => lines(perKey, text);
  const eachValue = (text: (j: number) => string) => lines(perValue, text);
  const eachRow = (text: (i: number) => string) => lines(4, text);
  const places = (name: string) =>
    `let ${name}First = sizes.${name}_offset + b * sizes.${name}_b + h * sizes.${name}_h;`;
  return `
fn run(lid: u32, group: u32) {
  let head = group / sizes.tiles;
  if (head >= sizes.heads) { return; }
  let b = head / sizes.h;
  let h = head % sizes.h;
  let firstQuery = (group % sizes.tiles) * ${queries}u;
  let rows = lid / ${team}u;
  let member = lid % ${team}u;
  let query = firstQuery + 4u * rows;
  let scale = bitcast<f32>(sizes.scale);
  ${['q', 'k', 'v'].map(places).join('\n  ')}
  for (var i = lid; i < ${queries * vectors}u; i += ${invocations}u) {
    let row = min(firstQuery + i / ${vectors}u, sizes.queries - 1u);
    Q[(i % ${vectors}u) * ${queries}u + i / ${vectors}u] =
      scale * qAt(qFirst + row * sizes.q_t, i % ${vectors}u);
  }
  var top = vec4<f32>(${wgslFloat(LOWEST)});
  var sums = vec4<f32>(0f);
  var bits = vec4<u32>(0u);
  ${eachValue((j) => eachRow((i) => `var o${j}_${i} = vec4<f32>(0f);`))}
  for (var firstKey = 0u; firstKey < sizes.keys; firstKey += ${keys}u) {
    for (var i = lid; i < ${keys * vectors}u; i += ${invocations}u) {
      let key = min(firstKey + i / ${vectors}u, sizes.keys - 1u);
      KV[(i % ${vectors}u) * ${keys + 1}u + i / ${vectors}u] =
        kAt(kFirst + key * sizes.k_t, i % ${vectors}u);
    }
    workgroupBarrier();
    ${eachKey((j) => `var s${j} = vec4<f32>(0f);`)}
    for (var c = 0u; c < ${vectors}u; c++) {
      ${eachRow((i) => `let q${i} = Q[c * ${queries}u + 4u * rows + ${i}u];`)}
      ${eachKey(
        (j) => `
      let k${j} = KV[c * ${keys + 1}u + member + ${team * j}u];
      s${j} += vec4<f32>(dot(q0, k${j}), dot(q1, k${j}), dot(q2, k${j}), dot(q3, k${j}));`,
      )}
    }
    ${eachKey((j) => scoreWgsl(spec, j))}
    team[member * ${groups}u + rows] = ${nested('max', perKey, (j) => `s${j}`)};
    workgroupBarrier();
    var highest = top;
    for (var i = 0u; i < ${team}u; i++) { highest = max(highest, team[i * ${groups}u + rows]); }
    let fade = exp(top - highest);
    top = highest;
    sums *= fade;
    ${eachKey(
      (j) => `
    let p${j} = select(exp(s${j} - top), vec4<f32>(0f), s${j} <= vec4<f32>(${wgslFloat(LOWEST)}));
    sums += p${j};
    P[(member + ${team * j}u) * ${groups}u + rows] = p${j};`,
    )}
    for (var i = lid; i < ${keys * valueVectors}u; i += ${invocations}u) {
      let key = min(firstKey + i / ${valueVectors}u, sizes.keys - 1u);
      KV[i] = vAt(vFirst + key * sizes.v_t, i % ${valueVectors}u);
    }
    workgroupBarrier();
    ${eachValue((j) => eachRow((i) => `o${j}_${i} *= fade[${i}];`))}
    for (var key = 0u; key < min(${keys}u, sizes.keys - firstKey); key++) {
      let p = P[key * ${groups}u + rows];
      ${eachValue(
        (j) => `
      let v${j} = KV[key * ${valueVectors}u + min(member + ${team * j}u, ${valueVectors - 1}u)];
      ${eachRow((i) => `o${j}_${i} += p[${i}] * v${j};`)}`,
      )}
    }
    workgroupBarrier();
  }
  ${togetherWgsl(groups, team)}
  ${eachRow(
    (i) => `
  if (query + ${i}u < sizes.queries) {
    let spoilt = bits[${i}] >= 0x7f800000u || !(sums[${i}] > 0f);
    ${eachValue(
      (j) => `store(b, h, query + ${i}u, member + ${team * j}u,
      select(o${j}_${i} / sums[${i}], vec4<f32>(nanValue()), spoilt));`,
    )}
  }`,
  )}
}`;
}

/** The scores of four queries to one key: the mask added, hidden ones lowest, NaN and ∞ noted. */
function scoreWgsl({ masked, team }: AttentionSpec, j: number): string {
  const at = (i: number) => `
      let at${i} = b * sizes.mask_b + h * sizes.mask_h + min(query + ${i}u, sizes.queries - 1u)
        * sizes.mask_q + key * sizes.mask_k;
      s${j}[${i}] += mask[at${i}];`;
  return `
    {
      let key = firstKey + member + ${team * j}u;
      if (key < sizes.keys) {
        ${masked ? lines(4, at) : ''}
        let own = bitcast<vec4<u32>>(s${j});
        let hidden = own == vec4<u32>(0xff800000u);
        s${j} = select(s${j}, vec4<f32>(${wgslFloat(LOWEST)}), hidden);
        bits = max(bits, select(own & vec4<u32>(0x7fffffffu), vec4<u32>(0u), hidden));
      } else {
        s${j} = vec4<f32>(${wgslFloat(LOWEST)});
      }
    }`;
}

/** Sums of weights, and what was noted, of all that share the queries. */
function togetherWgsl(groups: number, team: number): string {
  const gathered = (name: string, mine: string, take: (one: string) => string) => `
  team[member * ${groups}u + rows] = ${mine};
  workgroupBarrier();
  for (var i = 0u; i < ${team}u; i++) {
    if (i != member) { ${name} = ${take(`team[i * ${groups}u + rows]`)}; }
  }
  workgroupBarrier();`;
  // integers as numbers: as floats those bits may be NaN, which need not stay the same
  const noted = 'select(vec4<f32>(0f), vec4<f32>(1f), bits >= vec4<u32>(0x7f800000u))';
  return `${gathered('sums', 'sums', (one) => `sums + ${one}`)}
  ${gathered(
    'bits',
    noted,
    (one) => `select(bits, vec4<u32>(0x7f800000u), ${one} > vec4<f32>(0f))`,
  )}`;
}

/** `fn qAt(at: u32, vector: u32) -> vec4<f32>`: four channels, 0 beyond the last. */
function readWgsl(name: string, channels: number, aligned: boolean): string {
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

function storeWgsl({ valueChannels, aligned }: AttentionSpec): string {
  const at = 'sizes.y_offset + b * sizes.y_b + h * sizes.y_h + query * sizes.y_t';
  const body = aligned
    ? 'y[at / 4u + vector] = four;'
    : `
  for (var i = 0u; i < 4u; i++) {
    if (4u * vector + i < ${valueChannels}u) { y[at + 4u * vector + i] = four[i]; }
  }`;
  return `
fn store(b: u32, h: u32, query: u32, vector: u32, four: vec4<f32>) {
  if (vector >= ${Math.ceil(valueChannels / 4)}u) { return; }
  let at = ${at};
  ${body}
}`;
}

function lines(count: number, text: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => text(i)).join('\n');
}

/** f(a, f(b, c)) of so many. */
function nested(f: string, count: number, text: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => text(i)).reduce(
    (all, one) => `${f}(${all}, ${one})`,
  );
}
