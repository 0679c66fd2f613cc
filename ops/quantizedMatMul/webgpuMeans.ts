import type { Element } from '../webgpu/shader.js';

/** What tells how a tile adds the product of its sample's mean itself. */
export interface MeanSpec {
  readonly tileM: number;
  readonly tileN: number;
  readonly slices: number;
  readonly words: number; // of a step
  readonly whole: boolean; // all steps in one group
  readonly nibbles: boolean;
  readonly mean: MeanForm;
}

/** Nothing of the mean, its residual by W, or beside that coefficients by a basis. */
export type MeanForm = 'none' | 'residual' | 'both';

/**
 * Products of numbers at most: every row of tiles multiplies the mean anew, and beyond a program of
 * its own for that costs less.
 */
const MOST_PRODUCTS = 2 ** 31;

interface ProductSize {
  readonly rows: number;
  readonly tokens: number; // of a sample
  readonly d: number;
  readonly n: number;
}

/** Whether every tile can multiply the mean itself: it has one sample, and room for the sums. */
export function canTakeMean(
  { tileM, tileN, words }: Pick<MeanSpec, 'tileM' | 'tileN' | 'words'>,
  { rows, tokens, d, n }: ProductSize,
): boolean {
  const oneSample = tokens % tileM === 0 || tokens === rows;
  const fits = d % 4 === 0 && words >= tileN / 4;
  return oneSample && fits && rows * d * n <= MOST_PRODUCTS;
}

/** The buffers that it reads beside W, which has bias and basis in rows from `sizes.biasAt` on. */
export function meanReads(mean: MeanForm): Readonly<Record<string, Element>> {
  return {
    ...(mean === 'none' ? {} : { residual: 'vec4<f32>' as const }),
    ...(mean === 'both' ? { coefficients: 'f32' as const } : {}),
  };
}

/** WGSL before the first step: sums of an invocation, and where the residual's vectors begin. */
export function meanStartWgsl({ mean }: MeanSpec): string {
  if (mean === 'none') return '';
  return `
  let sample = min(4u * firstX, sizes.m - 1u) / sizes.tokens;
  var mean = vec4<f32>(0f);
  var meanSum = vec4<f32>(0f);`;
}

/** WGSL: vectors of the residual that an invocation multiplies in a step, on their way. */
export function meanFetchWgsl(spec: MeanSpec): string {
  const last = 'sizes.residualVectors - 1u';
  return meanWords(spec, (k, i) => {
    const at = `min(step * ${spec.words}u + ${k}, ${last})`;
    return `let rest${i} = residual[sample * sizes.residualVectors + ${at}];`;
  });
}

/** WGSL: the step's part of the residual's product. An invocation has some channels of a column. */
export function meanStepWgsl(spec: MeanSpec): string {
  const { tileM, tileN, words } = spec;
  const product = (k: string, i: number) => `
      let word = tileW[ofW + ${k} * ${tileN / 4}u + tx];
      ${['x', 'y', 'z', 'w']
        .map((channel, byte) => `mean += rest${i}.${channel} * byteOf(word, ${24 - 8 * byte}u);`)
        .join('\n      ')}`;
  const isWhole = words % (tileM / 4) === 0;
  return meanWords(
    spec,
    (k, i) => `
    ${isWhole ? '' : `if (${k} < ${words}u) `}{${product(k, i)}
    }`,
  );
}

/** WGSL: the group's sums times its scales; they begin again. */
export function meanFlushWgsl({ mean, nibbles }: MeanSpec): string {
  if (mean === 'none') return '';
  return `
    meanSum += mean * (scale${nibbles ? ' * 0.0625f' : ''});
    mean = vec4<f32>(0f);`;
}

/**
 * WGSL: coefficients by the basis and the bias, and all invocations' sums of a column, as
 * `meanSum`. Begins behind a barrier, and ends with one.
 */
export function meanEndWgsl({ mean, tileM, tileN, slices }: MeanSpec): string {
  if (mean === 'none') return '';
  const members = (slices * tileM) / 4;
  const basis = `
  for (var b = member; b < sizes.basisRank; b += ${members}u) {
    let line = W[(sizes.biasAt + sizes.biasRows + b) * sizes.wVectors + column];
    meanSum += coefficients[sample * sizes.basisRank + b] * bitcast<vec4<f32>>(line);
  }`;
  return `
  let member = lid / ${tileN / 4}u;
  ${mean === 'both' ? basis : ''}
  if (member < sizes.biasRows) {
    meanSum += bitcast<vec4<f32>>(W[(sizes.biasAt + member) * sizes.wVectors + column]);
  }
  tileX[lid] = bitcast<vec4<u32>>(meanSum);
  workgroupBarrier();
  meanSum = vec4<f32>(0f);
  for (var i = 0u; i < ${members}u; i++) {
    meanSum += bitcast<vec4<f32>>(tileX[i * ${tileN / 4}u + tx]);
  }
  workgroupBarrier();`;
}

/** WGSL: `fn byteOf(word, shift)`, a signed byte of four words. */
export function byteWgsl({ mean }: MeanSpec): string {
  if (mean === 'none') return '';
  return `
fn byteOf(word: vec4<u32>, shift: u32) -> vec4<f32> {
  return vec4<f32>(bitcast<vec4<i32>>(word << vec4<u32>(shift)) >> vec4<u32>(24u));
}`;
}

/** The words of a step that an invocation has: one for each of its column's in turn. */
function meanWords(
  { mean, tileM, words }: MeanSpec,
  text: (k: string, i: number) => string,
): string {
  if (mean === 'none') return '';
  const slices = tileM / 4;
  return Array.from({ length: Math.ceil(words / slices) }, (_, i) =>
    text(`(ty + ${i * slices}u)`, i),
  ).join('\n    ');
}
