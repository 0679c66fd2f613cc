import { codeRange, hasZeroPoint } from '../numerics/formats.js';
import { MAX_VALUE, MIN_SCALE, type QuantizationLayout } from '../numerics/quantization.js';
import type { WebglProgram } from '../webgl/backend.js';
import { FINITE_GLSL, glslFloat, QUOTIENT_GLSL } from '../webgl/glsl.js';
import { MAX_HALF } from '../webgl/half.js';
import type { FakeQuantAttrs } from './contract.js';

/** Elements that an invocation reduces. */
export const CHUNK = 64;

/**
 * x [size] → lowest (row 0) and highest (row 1) of every CHUNK elements of a group, 0 among them,
 * [2, groups · chunks]; NaN where the elements have a NaN or Inf.
 */
export function rangeProgram(layout: QuantizationLayout, chunks: number): WebglProgram {
  const { outer, length, inner, groupSize, numGroups } = layout;
  const { outerStride, groupStride, innerStride } = layout;
  // the element e of a group: [outer, groupSize, inner] but for the axes along which groups differ
  const inners = innerStride > 0 ? 1 : inner;
  const outers = outerStride > 0 ? 1 : outer;
  const groupsAlong = groupStride > 0 ? Math.ceil(length / groupSize) : 1;
  const along = `group / ${innerStride > 0 ? inner : 1} % ${groupsAlong}`;
  return {
    variableNames: ['X'],
    outputShape: [2, numGroups * chunks],
    userCode: `${FINITE_GLSL}
    void main() {
      ivec2 at = getOutputCoords();
      int group = at.y / ${chunks};
      int first = at.y % ${chunks} * ${CHUNK};
      int i = ${innerStride > 0 ? `group % ${inner}` : '0'};
      int along = ${groupStride > 0 ? along : '0'};
      int o = ${outerStride > 0 ? `group / ${outerStride}` : '0'};
      float end = 0.;
      bool poisoned = false;
      for (int m = 0; m < ${CHUNK}; m++) {
        int e = first + m;
        int a = along * ${groupSize} + e / ${inners} % ${groupSize};
        int part = e / ${inners * groupSize};
        if (part >= ${outers} || a >= ${length}) continue;
        float v = getX(((o + part) * ${length} + a) * ${inner} + i + e % ${inners});
        poisoned = poisoned || !isFinite4(vec4(v)).x;
        end = at.x == 0 ? min(end, v) : max(end, v);
      }
      setOutput(poisoned ? NAN : end);
    }`,
  };
}

/** Ranges of chunks [2, groups · from] → [2, groups · to]. */
export function mergeProgram(groups: number, from: number, to: number): WebglProgram {
  return {
    variableNames: ['ranges'],
    outputShape: [2, groups * to],
    userCode: `${FINITE_GLSL}
    void main() {
      ivec2 at = getOutputCoords();
      int group = at.y / ${to};
      int first = at.y % ${to} * ${CHUNK};
      int count = min(${CHUNK}, ${from} - first);
      float end = 0.;
      bool poisoned = false;
      for (int m = 0; m < count; m++) {
        float v = getRanges(at.x, group * ${from} + first + m);
        poisoned = poisoned || !isFinite4(vec4(v)).x;
        end = at.x == 0 ? min(end, v) : max(end, v);
      }
      setOutput(poisoned ? NAN : end);
    }`,
  };
}

/**
 * x [rows, columns] quantized and dequantized by the ranges of its groups: inputs X [size], then
 * ranges [2, groups] or, where all groups have one, a uniform `range`. The steps are those of
 * `quantizationParameters`, in float32 on every device; a value that would not fit the output is
 * left out.
 */
export function quantizeProgram(
  [rows, columns]: readonly [number, number],
  layout: QuantizationLayout,
  { format, range }: FakeQuantAttrs,
  options: { readonly shared: boolean; readonly writesFloat32: boolean },
): WebglProgram {
  const { length, inner, groupSize, outerStride, groupStride, innerStride } = layout;
  const { qMin, qMax } = codeRange(format);
  const symmetric = !hasZeroPoint(format);
  const max = glslFloat(options.writesFloat32 ? MAX_VALUE : MAX_HALF);
  const maximum = glslFloat(qMax);
  const min = glslFloat(MIN_SCALE);
  const strides = `${groupStride} + index % ${inner} * ${innerStride}`;
  const isMeaningful =
    range === null
      ? 'isFinite4(bounds.xyxy) == bvec4(true)'
      : '(magnitudeBits(vec4(v)).x <= 0x7f800000u)';
  return {
    variableNames: options.shared ? ['X'] : ['X', 'ranges'],
    outputShape: [rows, columns],
    ...(options.shared ? { customUniforms: [{ name: 'range', type: 'vec2' }] } : {}),
    userCode: `${FINITE_GLSL}${QUOTIENT_GLSL}
    float divide(float a, float b) {
      return quotient(vec4(a), vec4(b)).x;
    }
    void main() {
      ivec2 at = getOutputCoords();
      int index = at.x * ${columns} + at.y;
      float v = getX(index);
      int group = index / ${length * inner} * ${outerStride} +
        index / ${inner} % ${length} / ${groupSize} * ${strides};
      vec2 bounds = ${options.shared ? 'range' : 'vec2(getRanges(0, group), getRanges(1, group))'};
      // halves by this way too: .5 * y - .5 * x is made .5 * (y - x), which overflows, by some
      // compilers
      vec4 ends = quotient(bounds.xyxy, vec4(${maximum}, ${maximum}, 2., 2.));
      float scale = max(${symmetric ? 'max(-ends.x, ends.y)' : 'ends.y - ends.x'}, ${min});
      float halfSpan = max(ends.w - ends.z, ${min});
      float zeroPoint = ${symmetric ? '0.' : `roundEven(divide(-ends.z, halfSpan) * ${maximum})`};
      // the second way only where it matters, since the quotient may be beyond float32
      float limit = scale * 131072. < ${max} ? 131072. : floor(divide(${max}, scale));
      float low = max(${glslFloat(qMin)} - zeroPoint, -limit);
      float high = min(${glslFloat(qMax)} - zeroPoint, limit);
      float y = roundEven(min(max(divide(v, scale), low), high)) * scale;
      setOutput(${isMeaningful} ? y : NAN);
    }`,
  };
}
