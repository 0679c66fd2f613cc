import type { WebglScope } from './kernel.js';
import { paddedGlsl, runTexels, type TexelMatrix } from './texels.js';

/** x, and what makes (x − mean) / scale of it. */
export interface CenteredTexels {
  readonly x: TexelMatrix;
  /** [samples, 1, columns], or [1, 1, columns] for all samples. */
  readonly mean?: TexelMatrix | undefined;
  readonly scale?: TexelMatrix | undefined; // [1, 1, columns]
  /**
   * (mean, mean, scale, scale) of two columns in a texel, where both are there: one fetch, not two.
   */
  readonly both?: TexelMatrix | undefined;
}

/** A source that is read more often, or by more than a few. */
export function centeredSource(
  webgl: WebglScope,
  { x, mean, scale }: CenteredTexels,
): CenteredTexels {
  if (mean === undefined || scale === undefined) return { x, mean, scale };
  const both = runTexels(webgl, {
    inputs: { Mean: mean, Scale: scale },
    shape: [1, 2 * mean.samples, 2 * x.width],
    userCode: `
    void main() {
      ivec2 place = outputTexel();
      setOutput(vec4(texelMean(place.x, place.y).xy, texelScale(place.x, 0).xy));
    }`,
  });
  return { x, mean, scale, both };
}

/** (x − mean) / scale as a tensor of its own. */
export function centerTexels(webgl: WebglScope, given: CenteredTexels): TexelMatrix {
  const source = centeredSource(webgl, given);
  const { samples, rows, columns, pairs } = source.x;
  return runTexels(webgl, {
    inputs: sourceInputs(source),
    shape: [samples, rows, columns],
    uniforms: { pairs },
    userCode: `${sourceGlsl(source)}
    void main() {
      ivec2 place = outputTexel();
      int column = place.x;
      int row = place.y;
      vec4 y = sourceTexel(column, row);
      ${paddedGlsl('y', rows % 2, columns)}
      setOutput(y);
    }`,
  });
}

/** The inputs of a program that has `sourceGlsl` in it. */
export function sourceInputs(source: CenteredTexels): Record<string, TexelMatrix> {
  const { x, mean, scale, both } = source;
  if (both !== undefined) return { X: x, Both: both };
  return {
    X: x,
    ...(mean === undefined ? {} : { Mean: mean }),
    ...(scale === undefined ? {} : { Scale: scale }),
  };
}

/**
 * GLSL: `vec4 sourceTexel(int column, int row)`, (x − mean) / scale. Needs a uniform `pairs`.
 *
 * By the device's own division, as tfjs's: no ties hang on the last bit here.
 */
export function sourceGlsl({ mean, scale, both }: CenteredTexels): string {
  const sampleAt = mean?.samples === 1 ? '0' : 'row / pairs';
  const apart = `
      ${mean === undefined ? '' : `v -= texelMean(column, ${sampleAt}).xyxy;`}
      ${scale === undefined ? '' : 'v /= texelScale(column, 0).xyxy;'}`;
  const together = `
      vec4 both = texelBoth(column, ${sampleAt});
      v = (v - both.xyxy) / both.zwzw;`;
  return `
    vec4 sourceTexel(int column, int row) {
      vec4 v = texelX(column, row);
      ${both === undefined ? apart : together}
      return v;
    }`;
}
