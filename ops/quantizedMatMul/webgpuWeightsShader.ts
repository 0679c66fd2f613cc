import { planesOf } from '../numerics/packing.js';
import type { Shader } from '../webgpu/shader.js';
import { directionWeightWgsl } from './webgpuAlong.js';
import type { CodeSums } from './webgpuSteps.js';

/** Words of a workgroup. */
export const WEIGHTS_INVOCATIONS = 64;

interface WeightsSpec {
  readonly [field: string]: number | boolean | string;
  readonly bits: number;
  readonly words: number;
  readonly sums: CodeSums;
  readonly wide: boolean;
  readonly directions: boolean;
  readonly scaled: boolean; // a row of the directions' weights has a scale
  readonly bias: boolean;
  readonly basis: boolean;
  readonly basisScaled: boolean;
}

/**
 * An invocation makes a word: of codes, a scale, a sum, a weight of a direction or of the basis, or
 * the bias. The layout of files: packing.ts.
 */
export const weightsShader: Shader<WeightsSpec> = {
  name: 'packWeights',
  build: ({ bits, words, sums, wide, directions, scaled, bias, basis, basisScaled }) => {
    const channels = bits <= 4 ? 8 : 4;
    const factor = bits <= 4 ? 16 : 1;
    return {
      reads: {
        ...{ bytes: 'u32', scales: 'f32' },
        ...(directions ? { factors: 'f32' as const } : {}),
        ...(scaled ? { factorScales: 'f32' as const } : {}),
        ...(bias ? { bias: 'f32' as const } : {}),
        ...(basis ? { basis: 'f32' as const } : {}),
        ...(basisScaled ? { basisScales: 'f32' as const } : {}),
      },
      writes: { out: 'u32' },
      sizes: [
        ...['d', 'n', 'paddedN', 'scaleAt', 'sumAt', 'directionAt', 'rows', 'steps', 'blocks'],
        ...['rank', 'factorRows', 'biasAt', 'basisRank', 'basisRows', 'groupSize'],
      ],
      invocations: WEIGHTS_INVOCATIONS,
      workgroupBytes: 0,
      code: `
fn byteAt(at: u32) -> u32 {
  return ${wide ? 'bytes[at] & 0xffu' : '(bytes[at / 4u] >> (8u * (at % 4u))) & 0xffu'};
}
fn codeAt(k: u32, column: u32) -> i32 {
  if (k >= sizes.d || column >= sizes.n) { return 0; }
  let number = 4u * (column % 8u) + k % 4u;
  var start = ((column / 8u) * sizes.blocks + k / 4u) * ${4 * bits}u;
  var code = 0u;
  ${planesWgsl(bits)}
  return i32(code) - ${2 ** (bits - 1)};
}
${directions ? directionWeightWgsl(DIRECTIONS, scaled) : ''}
${basis ? directionWeightWgsl(BASIS, basisScaled) : ''}
fn run(lid: u32, group: u32) {
  let at = group * ${WEIGHTS_INVOCATIONS}u + lid;
  let row = at / sizes.paddedN;
  let column = at % sizes.paddedN;
  if (row >= sizes.rows) { return; }
  let basisAt = sizes.biasAt + ${bias ? 1 : 0}u;
  var word = 0u;
  if (row < sizes.scaleAt) {
    for (var i = 0u; i < ${channels}u; i++) {
      let code = bitcast<u32>(codeAt(row * ${channels}u + i, column));
      ${
        channels === 8
          ? 'word |= (code & 0xfu) << (8u * (i % 4u) + 4u * (i / 4u));'
          : 'word |= (code & 0xffu) << (8u * i);'
      }
    }
  } else if (row < sizes.sumAt) {
    if (column < sizes.n) {
      word = bitcast<u32>(scales[(row - sizes.scaleAt) * sizes.n + column]);
    }
  } else if (row >= basisAt) {
    ${basis ? 'word = bitcast<u32>(basisWeight(row - basisAt, column));' : ''}
  } else if (row >= sizes.biasAt) {
    ${bias ? 'if (column < sizes.n) { word = bitcast<u32>(bias[column]); }' : ''}
  } else if (row >= sizes.directionAt) {
    ${directions ? 'word = bitcast<u32>(directionWeight(row - sizes.directionAt, column));' : ''}
  } else {
    ${sumsWgsl(sums, words, factor)}
  }
  out[at] = word;
}`,
    };
  },
};

/** WGSL statements: a word of the sums of codes. */
function sumsWgsl(sums: CodeSums, words: number, factor: number): string {
  if (sums === 'scaled') {
    return `
    var sum = 0f;
    for (var first = 0u; first < sizes.d && column < sizes.n; first += sizes.groupSize) {
      var ofGroup = 0;
      let end = min(first + sizes.groupSize, sizes.d);
      for (var k = first; k < end; k++) { ofGroup += codeAt(k, column); }
      sum += f32(${factor} * ofGroup) * scales[(first / sizes.groupSize) * sizes.n + column];
    }
    word = bitcast<u32>(sum);`;
  }
  return `
    let first = (row - sizes.sumAt) * ${4 * words}u;
    let end = ${sums === 'all' ? 'sizes.d' : `first + ${4 * words}u`};
    var sum = 0;
    for (var k = first; k < end; k++) { sum += codeAt(k, column); }
    word = bitcast<u32>(${factor} * sum);`;
}

const DIRECTIONS = {
  ...{ name: 'directionWeight', from: 'factors', scales: 'factorScales' },
  ...{ rows: 'factorRows', rank: 'rank' },
};
const BASIS = {
  ...{ name: 'basisWeight', from: 'basis', scales: 'basisScales' },
  ...{ rows: 'basisRows', rank: 'basisRank' },
};

/** Adds the bits of each plane of a block. */
function planesWgsl(bits: number): string {
  let shift = 0;
  return planesOf(bits)
    .map((width) => {
      const length = 4 * width;
      const lines = `
  {
    let byte = byteAt(start + number % ${length}u);
    code |= ((byte >> (${width}u * (number / ${length}u))) & ${2 ** width - 1}u) << ${shift}u;
    start += ${length}u;
  }`;
      shift += width;
      return lines;
    })
    .join('');
}
