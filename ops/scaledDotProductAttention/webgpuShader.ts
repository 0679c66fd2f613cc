import type { Built, Shader } from '../webgpu/shader.js';
import { FINITE_WGSL, wgslFloat } from '../webgpu/wgsl.js';
import {
  LOWEST,
  lines,
  nested,
  readWgsl,
  scoreWgsl,
  stageWgsl,
  storeWgsl,
  togetherWgsl,
} from './webgpuShaderParts.js';
import {
  type AttentionParts,
  type AttentionSpec,
  attentionDemands,
  lengthsOf,
  partsOf,
  VIEW_FIELDS,
} from './webgpuTile.js';

/**
 * softmax(scale · q kᵀ + mask) v. A team of invocations has four queries: each its part of a tile's
 * keys, with a score in registers for each query and key, and its part of the values' channels.
 * Weights and maxima go through workgroup memory, and what is summed up so far is weighed anew once
 * a tile.
 *
 * What bounds it is reading workgroup memory: of 4 queries by 4 keys an invocation reads 8 vectors
 * for 64 products. 8 by 8 would read 16 for 256, and take two to three times as long: its registers
 * spill.
 */
export const attentionShader: Shader<AttentionSpec> = {
  name: 'ScaledDotProductAttention',
  build: buildAttention,
};

function buildAttention(spec: AttentionSpec): Built {
  const { channels, valueChannels, masked, aligned } = spec;
  const parts = partsOf(spec);
  const type = aligned ? 'vec4<f32>' : 'f32';
  return {
    reads: { q: type, k: type, v: type, ...(masked ? { mask: 'f32' as const } : {}) },
    writes: { y: aligned && parts.singles === 0 ? type : 'f32' },
    sizes: [
      ...['heads', 'h', 'queries', 'keys', 'tiles', 'scale'],
      ...['q', 'k', 'v', 'y'].flatMap((name) => VIEW_FIELDS.map((field) => `${name}_${field}`)),
      ...['mask_b', 'mask_h', 'mask_q', 'mask_k'],
    ],
    invocations: parts.invocations,
    workgroupBytes: attentionDemands(spec).workgroupBytes,
    code: `${FINITE_WGSL}
${Object.entries(lengthsOf(spec))
  .map(([name, length]) => `var<workgroup> ${name}: array<vec4<f32>, ${length}>;`)
  .join('\n')}
${['q', 'k'].map((name) => readWgsl(name, channels, aligned)).join('')}
${readWgsl('v', valueChannels, aligned)}
${storeWgsl(parts)}
${mainWgsl(parts)}`,
  };
}

function mainWgsl(parts: AttentionParts): string {
  const { queries, keys, team, groups, line, vectors, valueVectors } = parts;
  const eachOutput = (text: (name: string, i: number) => string) =>
    lines(4, (i) =>
      outputsOf(parts, i)
        .map((name) => text(name, i))
        .join('\n'),
    );
  const places = (name: string) =>
    `let ${name}First = sizes.${name}_offset + b * sizes.${name}_b + h * sizes.${name}_h;`;
  const queryAt = (of: string) => `qFirst + min(${of}, sizes.queries - 1u) * sizes.q_t`;
  const staged = {
    count: queries * vectors,
    from: (i: string) =>
      `scale * qAt(${queryAt(`firstQuery + ${i} / ${vectors}u`)}, ${i} % ${vectors}u)`,
    to: (i: string) => `Q[(${i} % ${vectors}u) * ${queries}u + ${i} / ${vectors}u]`,
  };
  return `
fn run(lid: u32, group: u32) {
  let head = group / sizes.tiles;
  if (head >= sizes.heads) { return; }
  let b = head / sizes.h;
  let h = head % sizes.h;
  let firstQuery = (group % sizes.tiles) * ${queries}u;
  let row = lid / ${team}u;
  let member = lid % ${team}u;
  // its queries are so many apart
  let query = firstQuery + row;
  let scale = bitcast<f32>(sizes.scale);
  ${['q', 'k', 'v'].map(places).join('\n  ')}
  ${
    parts.held
      ? stageWgsl(parts, staged)
      : lines(4, (i) => `let place${i} = ${queryAt(`query + ${groups * i}u`)};`)
  }
  var top = vec4<f32>(${wgslFloat(LOWEST)});
  var sums = vec4<f32>(0f);
  var highBits = vec4<u32>(0u);
  var highNumbers = vec4<i32>(0);
  ${eachOutput((name) => `var ${name} = ${name.startsWith('o') ? 'vec4<f32>(0f)' : '0f'};`)}
  for (var firstKey = 0u; firstKey < sizes.keys; firstKey += ${keys}u) {
    ${stageWgsl(parts, {
      count: keys * vectors,
      from: (i) => `kAt(kFirst + min(firstKey + ${i} / ${vectors}u, sizes.keys - 1u) * sizes.k_t,
        ${i} % ${vectors}u)`,
      to: (i) => `KV[(${i} % ${vectors}u) * ${keys + 1}u + ${i} / ${vectors}u]`,
    })}
    workgroupBarrier();
    ${scoresWgsl(parts)}
    team[member * ${line}u + row] = ${nested('max', keys / team, (j) => `s${j}`)};
    workgroupBarrier();
    var highest = top;
    for (var i = 0u; i < ${team}u; i++) { highest = max(highest, team[i * ${line}u + row]); }
    let fade = exp(top - highest);
    top = highest;
    sums *= fade;
    ${eachOutput((name, i) => `${name} *= fade[${i}];`)}
    ${stageWgsl(parts, {
      count: keys * valueVectors,
      from: (i) => `vAt(vFirst + min(firstKey + ${i} / ${valueVectors}u, sizes.keys - 1u)
        * sizes.v_t, ${i} % ${valueVectors}u)`,
      to: (i) => `KV[${i}]`,
    })}
    ${lines(parts.parts, (part) => weighedWgsl(parts, part))}
  }
  ${togetherWgsl(parts)}
  ${lines(4, (i) => storedWgsl(parts, i))}
}`;
}

/** Sums of a query: vectors `oJ_I`, single channels `eJ_I`. */
function outputsOf({ whole, singles }: AttentionParts, i: number): string[] {
  return [
    ...Array.from({ length: whole }, (_, j) => `o${j}_${i}`),
    ...Array.from({ length: singles }, (_, j) => `e${j}_${i}`),
  ];
}

/** Scores of the invocation's queries to its keys, and what of them is noted. */
function scoresWgsl(parts: AttentionParts): string {
  const { queries, keys, team, groups, vectors, held } = parts;
  const eachKey = (text: (j: number) => string) => lines(keys / team, text);
  const query = (i: number) =>
    held ? `Q[c * ${queries}u + ${groups * i}u + row]` : `qAt(place${i}, c)`;
  const channel = (c: string) => `vec4<f32>(${[0, 1, 2, 3].map((i) => `q${i}.${c}`).join(', ')})`;
  return `
    ${eachKey((j) => `var s${j} = vec4<f32>(0f);`)}
    for (var c = 0u; c < ${vectors}u; c++) {
      ${lines(4, (i) => `let q${i} = ${query(i)};`)}
      ${eachKey(
        (j) => `
      let k${j} = KV[c * ${keys + 1}u + member + ${team * j}u];
      ${['x', 'y', 'z', 'w'].map((c) => `s${j} += ${channel(c)} * k${j}.${c};`).join('\n      ')}`,
      )}
    }
    ${eachKey((j) => scoreWgsl(parts, j))}
    if (firstKey + ${keys}u > sizes.keys) {
      ${eachKey(
        (j) => `
      if (firstKey + member + ${team * j}u >= sizes.keys) {
        s${j} = vec4<f32>(${wgslFloat(LOWEST)});
      }`,
      )}
    }`;
}

/** Weights of a part of the tile's keys, and the values that they weigh. */
function weighedWgsl(parts: AttentionParts, part: number): string {
  const { keys, team, line, valueVectors, whole, singles } = parts;
  const perPart = keys / team / parts.parts;
  const isPartial = whole * team > valueVectors;
  const lastSingle = 4 * (valueVectors - whole * team) - 1;
  const weight = (j: number) => {
    const [score, p] = [`s${part * perPart + j}`, `p${part}_${j}`];
    return `
    let ${p} = select(exp(${score} - top), vec4<f32>(0f),
      ${score} <= vec4<f32>(${wgslFloat(LOWEST)}));
    sums += ${p};
    P[(member + ${team * j}u) * ${line}u + row] = ${p};`;
  };
  const terms = (i: number) => [
    ...Array.from({ length: whole }, (_, j) => `o${j}_${i} += p[${i}] * v${j};`),
    ...Array.from({ length: singles }, (_, j) => `e${j}_${i} += p[${i}] * u${j};`),
  ];
  return `
    ${lines(perPart, weight)}
    workgroupBarrier();
    for (var key = 0u; key < ${keys / parts.parts}u; key++) {
      let p = P[key * ${line}u + row];
      let first = (key + ${(part * keys) / parts.parts}u) * ${valueVectors}u;
      ${lines(whole, (j) => {
        const at = `member + ${team * j}u`;
        return `let v${j} = KV[first + ${isPartial ? `min(${at}, ${valueVectors - 1}u)` : at}];`;
      })}
      ${lines(singles, (j) => {
        const at = `min(member + ${team * j}u, ${lastSingle}u)`;
        return `let u${j} = KV[first + ${whole * team}u + ${at} / 4u][${at} % 4u];`;
      })}
      ${lines(4, (i) => terms(i).join('\n      '))}
    }
    workgroupBarrier();`;
}

/** A query's results, divided by the sum of its weights. */
function storedWgsl({ groups, team, whole, singles }: AttentionParts, i: number): string {
  const all = (name: string, type: string) =>
    `select(${name} / sums[${i}], ${type}(nanValue()), spoilt)`;
  return `
  if (query + ${groups * i}u < sizes.queries) {
    let spoilt = highBits[${i}] > 0xff800000u || highNumbers[${i}] >= 0x7f800000
      || !(sums[${i}] > 0f);
    let at = placeOf(b, h, query + ${groups * i}u);
    ${lines(whole, (j) => `store(at, member + ${team * j}u, ${all(`o${j}_${i}`, 'vec4<f32>')});`)}
    ${lines(singles, (j) => {
      const channel = `${4 * whole * team}u + member + ${team * j}u`;
      return `storeOne(at, ${channel}, ${all(`e${j}_${i}`, 'f32')});`;
    })}
  }`;
}
