import type { TensorInfo } from '@tensorflow/tfjs-core';
import { codeOffset, hasZeroPoint } from '../numerics/formats.js';
import { type CenteredTexels, sourceGlsl, sourceInputs } from '../webgl/centering.js';
import { FINITE_GLSL, glslFloat, QUOTIENT_GLSL } from '../webgl/glsl.js';
import type { WebglScope } from '../webgl/kernel.js';
import { offsetsGlsl, parametersGlsl, type QuantizerShape } from '../webgl/quantizer.js';
import { groupRanges, type RangeTexels } from '../webgl/ranges.js';
import { paddedGlsl, runTexels, type TexelMatrix } from '../webgl/texels.js';
import type { HadaNormQuantizeAttrs } from './contract.js';

/**
 * Codes, scale and zero point of (x − mean) / scale, as the kernel gives them: two passes over x,
 * and small ones.
 */
export function quantizeTexels(
  webgl: WebglScope,
  source: CenteredTexels,
  attrs: HadaNormQuantizeAttrs,
): { codes: TexelMatrix; scale: TexelMatrix; zeroPoint: TexelMatrix } {
  const { format, range } = attrs;
  const shape = { format, half: !webgl.writesFloat32 };
  const { groupSize } = format.granularity;
  const ranges = groupRanges(webgl, source, groupSize, range === null);
  const parameters = parameterTexels(webgl, ranges, shape, attrs);
  const { samples, rows } = source.x;
  const pick = (lane: 'xz' | 'yw') =>
    runTexels(webgl, {
      inputs: { P: parameters },
      shape: [samples, rows, ranges.groups],
      uniforms: { pairs: source.x.pairs },
      userCode: pickGlsl(rows, ranges.groups, lane),
    });
  return {
    codes: codeTexels(webgl, source, parameters, shape, attrs),
    scale: pick('xz'),
    zeroPoint: pick('yw'),
  };
}

/** (scale, zero point) of two rows for each group, as texels; (NaN, 0) where the range is none. */
function parameterTexels(
  webgl: WebglScope,
  { texels, groups, chunks }: RangeTexels,
  shape: QuantizerShape,
  { format, range }: HadaNormQuantizeAttrs,
): TexelMatrix {
  const ends =
    range === null
      ? 'least.xz, most.yw'
      : `vec2(${glslFloat(range.min)}), vec2(${glslFloat(range.max)})`;
  return runTexels(webgl, {
    inputs: { R: texels },
    shape: [1, texels.rows, 2 * groups],
    userCode: `${FINITE_GLSL}${QUOTIENT_GLSL}${parametersGlsl(shape)}
    void main() {
      ivec2 place = outputTexel();
      vec4 least = texelR(place.x * ${chunks}, place.y);
      vec4 most = least;
      bvec4 sound = isFinite4(least);
      for (int chunk = 1; chunk < ${chunks}; chunk++) {
        vec4 ends = texelR(place.x * ${chunks} + chunk, place.y);
        bvec4 also = isFinite4(ends);
        sound = bvec4(sound.x && also.x, sound.y && also.y, sound.z && also.z, sound.w && also.w);
        least = min(least, ends);
        most = max(most, ends);
      }
      vec4 found = parametersOf(${ends});
      ${hasZeroPoint(format) ? '' : `found.yw = vec2(${glslFloat(codeOffset(format))});`}
      setOutput(mix(vec4(NAN, 0., NAN, 0.), found, bvec4(sound.xx, sound.zz)));
    }`,
  });
}

/**
 * One pass over x. Zero points have the symmetric codes' offset in them, which is none of the
 * quantizer's.
 */
function codeTexels(
  webgl: WebglScope,
  source: CenteredTexels,
  parameters: TexelMatrix,
  shape: QuantizerShape,
  { format }: HadaNormQuantizeAttrs,
): TexelMatrix {
  const { samples, rows, columns, pairs } = source.x;
  const { groupSize } = format.granularity;
  const offset = glslFloat(codeOffset(format));
  // neighbours in a texel may be of two groups where these are odd
  const fetch =
    groupSize % 2 === 0 || groupSize === columns
      ? `vec4 p = texelP(${groupSize === columns ? '0' : `2 * column / ${groupSize}`}, row);
      vec4 s = p.xxzz;
      vec4 origin = p.yyww;`
      : `vec4 p = texelP(2 * column / ${groupSize}, row);
      vec4 q = texelP((2 * column + 1) / ${groupSize}, row);
      vec4 s = vec4(p.x, q.x, p.z, q.z);
      vec4 origin = vec4(p.y, q.y, p.w, q.w);`;
  return runTexels(webgl, {
    inputs: { ...sourceInputs(source), P: parameters },
    shape: [samples, rows, columns],
    uniforms: { pairs },
    dtype: 'int32',
    userCode: `${FINITE_GLSL}${QUOTIENT_GLSL}${sourceGlsl(source)}${offsetsGlsl(shape)}
    void main() {
      ivec2 place = outputTexel();
      int column = place.x;
      int row = place.y;
      ${fetch}
      vec4 codes = offsetsOf(sourceTexel(column, row), s, origin - ${offset}) + origin;
      codes = mix(vec4(0.), codes, isFinite4(s));
      ${paddedGlsl('codes', rows, columns)}
      setOutput(codes);
    }`,
  });
}

/** Scales or zero points of neighbouring groups put together in texels. */
function pickGlsl(rows: number, groups: number, lane: 'xz' | 'yw'): string {
  return `
    void main() {
      ivec2 place = outputTexel();
      int column = place.x;
      int row = place.y;
      vec2 p = texelP(2 * column, row).${lane};
      vec2 q = texelP(min(2 * column + 1, ${groups - 1}), row).${lane};
      vec4 y = vec4(p.x, q.x, p.y, q.y);
      ${paddedGlsl('y', rows, groups)}
      setOutput(y);
    }`;
}

/** [..., tokens, groups] */
export function groupShape(x: TensorInfo, groupSize: number): number[] {
  return [...x.shape.slice(0, -1), Math.ceil(x.shape[x.shape.length - 1]! / groupSize)];
}
