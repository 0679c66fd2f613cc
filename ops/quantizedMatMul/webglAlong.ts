import type { TensorInfo } from '@tensorflow/tfjs-core';
import { dataNumber } from '../common/dataNumber.js';
import { attached } from '../webgl/attached.js';
import type { WebglScope } from '../webgl/kernel.js';
import { texelsOf } from '../webgl/packed.js';
import { asTexels, fixedReaderGlsl, type TexelMatrix } from '../webgl/texels.js';
import type { QuantizedMatMulInputs } from './contract.js';

/** What goes along directions and their weights, as texels, which products read raw. */
export interface AlongTexels {
  readonly along: TexelMatrix; // [samples, tokens, r]
  readonly weights: TexelMatrix; // [1, r, n]
}

/** The texels; those of the weights are made once. */
export function alongTexels(
  webgl: WebglScope,
  { along, directionWeights, directionScale }: QuantizedMatMulInputs,
): AlongTexels | null {
  if (along === undefined) return null;
  const rank = along.shape[along.shape.length - 1]!;
  const n = directionWeights!.shape[1]!;
  const key = ['directions', rank, directionScale && dataNumber(directionScale)].join();
  const info = attached(webgl.backend, directionWeights!, key, () => {
    const values = mergedRows(webgl, directionWeights!, directionScale, rank);
    const made = webgl.backend.makeTensorInfo([1, rank, n], 'float32', values);
    // up as texels, which stay
    return texelsOf(webgl, made).info;
  });
  return { along: texelsOf(webgl, along), weights: asTexels(webgl.view(info, [1, rank, n])) };
}

/**
 * R, [rank, n], with the scales of its rows: row i of scaled ones belongs to direction i mod rank.
 */
function mergedRows(
  { backend }: WebglScope,
  rows: TensorInfo,
  scale: TensorInfo | undefined,
  rank: number,
): Float32Array {
  const n = rows.shape[1]!;
  const values = backend.readSync(rows.dataId);
  const scales = scale === undefined ? null : backend.readSync(scale.dataId);
  const out = new Float32Array(rank * n);
  values.forEach((value, at) => {
    const row = Math.floor(at / n);
    out[(row % rank) * n + (at % n)]! += value * (scales?.[row] ?? 1);
  });
  return out;
}

/**
 * GLSL: `vec4 besideOf(ivec2 row, int pair)`, along R in two rows of the result and two columns,
 * the columns' pair `pair`.
 */
export function alongGlsl(webgl: WebglScope, { along, weights }: AlongTexels): string {
  const { rows: tokens, pairs, width, columns } = along;
  // rows of an even number of tokens come in the texels' pairs
  const together = `
      int pairAt = row.x / 2;`;
  const apart = `
      ivec2 sampleAt = row / ${tokens};
      ivec2 token = row - sampleAt * ${tokens};
      ivec2 rowAt = sampleAt * ${pairs} + token / 2;
      bvec2 second = equal(token % 2, ivec2(1));`;
  const lanes = `
        vec4 upper = texelAlong(i, rowAt.x);
        vec4 lower = texelAlong(i, rowAt.y);
        vec4 a = vec4(second.x ? upper.zw : upper.xy, second.y ? lower.zw : lower.xy);`;
  const padding = `if (i == ${width - 1}) a.yw = vec2(0.);`;
  return `
    ${fixedReaderGlsl(webgl, 'Along', along)}
    ${fixedReaderGlsl(webgl, 'Directions', weights)}
    vec4 besideOf(ivec2 row, int pair) {
      ${tokens % 2 === 0 ? together : apart}
      vec4 sum = vec4(0.);
      for (int i = 0; i < ${width}; i++) {
        ${tokens % 2 === 0 ? 'vec4 a = texelAlong(i, pairAt);' : lanes}
        ${columns % 2 === 1 ? padding : ''}
        vec4 r = texelDirections(pair, i);
        sum += vec4(a.x * r.xy + a.y * r.zw, a.z * r.xy + a.w * r.zw);
      }
      return sum;
    }`;
}
