import type { TensorInfo } from '@tensorflow/tfjs-core';
import { FINITE_GLSL, QUOTIENT_GLSL } from './glsl.js';
import type { WebglScope } from './kernel.js';
import { rowMeans } from './means.js';
import { texelsOf } from './packed.js';
import { paddedGlsl, runTexels, type TexelMatrix } from './texels.js';

/**
 * Means over the rows of each sample, [samples, 1, columns], with a mask [..., rows] over those
 * that it counts: 0 where it counts none.
 */
export function countedMeans(
  webgl: WebglScope,
  x: TexelMatrix,
  mask: TensorInfo | undefined,
): TexelMatrix {
  if (mask === undefined) return rowMeans(webgl, x);
  const { samples, rows } = x;
  const column = texelsOf(webgl, webgl.view(mask, [samples, rows, 1]));
  const share = rowMeans(webgl, onesOf(webgl, column));
  return overShare(webgl, rowMeans(webgl, selected(webgl, x, column)), share);
}

/** 1 for what is not 0. */
function onesOf(webgl: WebglScope, mask: TexelMatrix): TexelMatrix {
  return runTexels(webgl, {
    inputs: { M: mask },
    shape: [mask.samples, mask.rows, 1],
    uniforms: { pairs: mask.pairs },
    userCode: `
    void main() {
      ivec2 place = outputTexel();
      int column = place.x;
      int row = place.y;
      vec4 m = texelM(column, row);
      vec4 y = vec4(m.x == 0. ? 0. : 1., 0., m.z == 0. ? 0. : 1., 0.);
      ${paddedGlsl('y', mask.rows % 2, 1)}
      setOutput(y);
    }`,
  });
}

/** x, and 0 for the rows that do not count. */
function selected(webgl: WebglScope, x: TexelMatrix, mask: TexelMatrix): TexelMatrix {
  const { samples, rows, columns, pairs } = x;
  return runTexels(webgl, {
    inputs: { X: x, M: mask },
    shape: [samples, rows, columns],
    uniforms: { pairs },
    userCode: `
    void main() {
      ivec2 place = outputTexel();
      int column = place.x;
      int row = place.y;
      vec4 y = texelX(column, row);
      vec4 m = texelM(0, row);
      if (m.x == 0.) y.xy = vec2(0.);
      if (m.z == 0.) y.zw = vec2(0.);
      ${paddedGlsl('y', rows % 2, columns)}
      setOutput(y);
    }`,
  });
}

/** Means of all rows over the share that counts; as they are where that is all of them. */
function overShare(webgl: WebglScope, means: TexelMatrix, share: TexelMatrix): TexelMatrix {
  return runTexels(webgl, {
    inputs: { X: means, Share: share },
    shape: [means.samples, 1, means.columns],
    userCode: `${FINITE_GLSL}${QUOTIENT_GLSL}
    void main() {
      ivec2 place = outputTexel();
      float share = texelShare(0, place.y).x;
      vec4 mean = texelX(place.x, place.y);
      setOutput(quotient(mean, vec4(share == 0. ? 1. : share)));
    }`,
  });
}
