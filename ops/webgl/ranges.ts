import { type CenteredTexels, sourceGlsl, sourceInputs } from './centering.js';
import { FINITE_GLSL } from './glsl.js';
import type { WebglScope } from './kernel.js';
import { runTexels, type TexelMatrix } from './texels.js';

/** Texels that one invocation looks through, about: a group of 64 channels. */
const CHUNK_TEXELS = 32;

/**
 * Ranges of groups of columns, as texels (lo, hi, lo, hi) of two rows; NaN for a range that is
 * none. Where the range is static all that is told is whether there is a NaN; the others are 0.
 */
export interface RangeTexels {
  /** [1, 2 · row pairs, 2 · groups · chunks] */
  readonly texels: TexelMatrix;
  readonly groups: number;
  /** Parts of each group whose ranges are apart yet. */
  readonly chunks: number;
}

/**
 * Least and largest of every `groupSize` neighbouring columns, in parts that are short enough for
 * one invocation.
 *
 * @param dynamic Whether the ranges are wanted, which ±Inf spoils as NaN does; else only whether
 * there is a NaN.
 */
export function groupRanges(
  webgl: WebglScope,
  source: CenteredTexels,
  groupSize: number,
  dynamic: boolean,
): RangeTexels {
  const { samples, columns, pairs } = source.x;
  const groups = Math.ceil(columns / groupSize);
  const chunks = chunksOf(groupSize);
  const texels = runTexels(webgl, {
    inputs: sourceInputs(source),
    shape: [1, 2 * samples * pairs, 2 * groups * chunks],
    uniforms: { pairs },
    userCode: `${FINITE_GLSL}${sourceGlsl(source)}
    ${rangeGlsl(columns, groupSize, chunks, dynamic)}`,
  });
  return { texels, groups, chunks };
}

/**
 * Chunks of about CHUNK_TEXELS, but no more chunks than texels in one: both are looked through by
 * one invocation.
 */
function chunksOf(groupSize: number): number {
  const texels = Math.ceil(groupSize / 2);
  return Math.ceil(texels / Math.max(CHUNK_TEXELS, Math.ceil(Math.sqrt(texels))));
}

function rangeGlsl(columns: number, groupSize: number, chunks: number, dynamic: boolean): string {
  // an odd group begins or ends within a texel, and an odd row ends in padding
  const exact = groupSize % 2 === 0 && columns % 2 === 0;
  const step = 2 * Math.ceil(groupSize / 2 / chunks);
  const part = chunks === 1 ? '0' : `place.x % ${chunks} * ${step}`;
  const guarded = `
        bvec2 inside = bvec2(2 * t >= begin, 2 * t + 1 < end);
        vec4 low = mix(vec4(HIGHEST), v, inside.xyxy);
        vec4 high = mix(vec4(-HIGHEST), v, inside.xyxy);
        largest = max(largest, magnitudeBits(mix(vec4(0.), v, inside.xyxy)));`;
  const plain = `
        vec4 low = v;
        vec4 high = v;
        largest = max(largest, magnitudeBits(v));`;
  const ends = dynamic ? 'vec4(min(least.xz, least.yw), max(most.xz, most.yw)).xzyw' : 'vec4(0.)';
  return `
    // the largest float32: as a literal it overflows on some devices
    const float HIGHEST = uintBitsToFloat(0x7f7fffffu);
    void main() {
      ivec2 place = outputTexel();
      int group = place.x${chunks === 1 ? '' : ` / ${chunks}`};
      int begin = group * ${groupSize} + ${part};
      int end = min(min(group * ${groupSize} + ${groupSize}, begin + ${step}), ${columns});
      vec4 least = vec4(HIGHEST);
      vec4 most = vec4(-HIGHEST);
      uvec4 largest = uvec4(0u);
      for (int t = begin / 2; 2 * t < end; t++) {
        vec4 v = sourceTexel(t, place.y);
        ${exact ? plain : guarded}
        least = min(least, low);
        most = max(most, high);
      }
      uvec2 top = max(largest.xz, largest.yw);
      bvec2 spoilt = greaterThan${dynamic ? 'Equal' : ''}(top, uvec2(0x7f800000u));
      vec4 ends = ${ends};
      setOutput(mix(ends, vec4(NAN), spoilt.xxyy));
    }`;
}
