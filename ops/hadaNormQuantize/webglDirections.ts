import { type CenteredTexels, sourceGlsl, sourceInputs } from '../webgl/centering.js';
import type { WebglScope } from '../webgl/kernel.js';
import { paddedGlsl, runTexels, type TexelMatrix } from '../webgl/texels.js';

/** What goes along directions, and what is left to have codes and to go through the weights. */
export interface BesideDirections {
  readonly along: TexelMatrix; // [samples, rows, r]
  readonly left: CenteredTexels;
  readonly residual: TexelMatrix | undefined; // [1, samples, d]
}

/**
 * One pass for x, and one for the means where there are some; where the directions are subtracted
 * one more for either.
 * @param directions V as texels: [1, d, r].
 */
export function besideDirections(
  webgl: WebglScope,
  x: CenteredTexels,
  residual: TexelMatrix | undefined,
  directions: TexelMatrix,
  subtract: boolean,
): BesideDirections {
  const means = residual && projected(webgl, { x: residual }, directions);
  const along = projected(webgl, x, directions, means);
  if (!subtract) return { along, left: x, residual };
  return {
    along,
    left: { x: without(webgl, x, directions, along, means) },
    residual: residual && without(webgl, { x: residual }, directions, means!),
  };
}

/** x V, and to the rows of a sample what its means have: [1, samples, r]. */
function projected(
  webgl: WebglScope,
  source: CenteredTexels,
  directions: TexelMatrix,
  means?: TexelMatrix,
): TexelMatrix {
  const { samples, rows, columns, pairs } = source.x;
  const r = directions.columns;
  const whole = Math.floor(columns / 2);
  // the second column of the last texel is padding
  const last = `{
        vec4 x = sourceTexel(${whole}, row);
        vec2 v = texelV(column, ${whole}).xy;
        y += vec4(x.x * v, x.z * v);
      }`;
  return runTexels(webgl, {
    inputs: { ...sourceInputs(source), V: directions, ...(means && { Means: means }) },
    shape: [samples, rows, r],
    uniforms: { pairs },
    userCode: `${sourceGlsl(source)}${means ? MEANS_GLSL : ''}
    void main() {
      ivec2 place = outputTexel();
      int column = place.x;
      int row = place.y;
      vec4 y = vec4(0.);
      for (int k = 0; k < ${whole}; k++) {
        vec4 x = sourceTexel(k, row);
        vec4 v = texelV(column, k);
        y += vec4(x.x * v.xy + x.y * v.zw, x.z * v.xy + x.w * v.zw);
      }
      ${columns % 2 === 1 ? last : ''}
      ${means ? 'y += meansOf(column, row).xyxy;' : ''}
      ${paddedGlsl('y', rows, r)}
      setOutput(y);
    }`,
  });
}

/** x − (along − means) Vᵀ */
function without(
  webgl: WebglScope,
  source: CenteredTexels,
  directions: TexelMatrix,
  along: TexelMatrix,
  means?: TexelMatrix,
): TexelMatrix {
  const { samples, rows, columns, pairs } = source.x;
  const r = directions.columns;
  const padding = `if (i == ${directions.width - 1}) {
          p.yw = vec2(0.);
          v.yw = vec2(0.);
        }`;
  return runTexels(webgl, {
    inputs: {
      ...sourceInputs(source),
      ...{ V: directions, Along: along },
      ...(means && { Means: means }),
    },
    shape: [samples, rows, columns],
    uniforms: { pairs },
    userCode: `${sourceGlsl(source)}${means ? MEANS_GLSL : ''}
    void main() {
      ivec2 place = outputTexel();
      int column = place.x;
      int row = place.y;
      vec4 taken = vec4(0.);
      for (int i = 0; i < ${directions.width}; i++) {
        vec4 p = texelAlong(i, row);
        vec4 v = texelV(i, column);
        ${means ? 'p -= meansOf(i, row).xyxy;' : ''}
        ${r % 2 === 1 ? padding : ''}
        taken += vec4(dot(p.xy, v.xy), dot(p.xy, v.zw), dot(p.zw, v.xy), dot(p.zw, v.zw));
      }
      vec4 y = sourceTexel(column, row) - taken;
      ${paddedGlsl('y', rows, columns)}
      setOutput(y);
    }`,
  });
}

/** Of two columns of the sample that a row is of. */
const MEANS_GLSL = `
    vec2 meansOf(int column, int row) {
      int sampleAt = row / pairs;
      vec4 texel = texelMeans(column, sampleAt / 2);
      return (sampleAt & 1) == 0 ? texel.xy : texel.zw;
    }`;
