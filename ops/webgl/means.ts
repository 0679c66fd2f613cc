import { FINITE_GLSL, QUOTIENT_GLSL } from './glsl.js';
import type { WebglScope } from './kernel.js';
import { runTexels, type TexelMatrix } from './texels.js';

/** Row pairs that one invocation adds up, at most: two stages do for 8192 tokens. */
const MOST_PAIRS = 64;

/**
 * Means over the rows of each sample, [samples, 1, columns].
 *
 * In stages of at most 64 texels an invocation, so that there are enough invocations, and short
 * sums with small errors.
 */
export function rowMeans(webgl: WebglScope, x: TexelMatrix): TexelMatrix {
  const { samples, rows, columns, pairs, width } = x;
  const stages = Math.max(1, Math.ceil(Math.log(pairs) / Math.log(MOST_PAIRS)));
  const step = Math.ceil(pairs ** (1 / stages));
  // a float16 texture holds no sum of many: each stage gives as little more than a mean
  const shrink = webgl.writesFloat32 ? 1 : 2 ** -Math.ceil(Math.log2(step));
  let sums = x;
  let left = pairs; // of a sample
  let count = rows;
  while (left > step) {
    const groups = Math.ceil(left / step);
    sums = runTexels(webgl, {
      inputs: { X: sums },
      shape: [1, 2 * samples * groups, 2 * width],
      uniforms: { pairs: left, groups, step, shrink },
      floats: ['shrink'],
      userCode: sumGlsl(sums === x && rows % 2 === 1, 'sum * shrink'),
    });
    left = groups;
    count *= shrink;
  }
  return runTexels(webgl, {
    inputs: { X: sums },
    shape: [samples, 1, columns],
    uniforms: { pairs: left, groups: 1, step: left, count },
    floats: ['count'],
    userCode: `${FINITE_GLSL}${QUOTIENT_GLSL}
    vec4 meanOf(vec4 sum, int column) {
      vec2 mean = quotient((sum.xy + sum.zw).xyxy, vec4(count)).xy;
      ${columns % 2 === 1 ? `if (column == ${width - 1}) mean.y = 0.;` : ''}
      return vec4(mean, 0., 0.);
    }
    ${sumGlsl(sums === x && rows % 2 === 1, 'meanOf(sum, place.x)')}`,
  });
}

/**
 * Adds up row pairs step · group … of a sample; the last pair of an odd number of rows has one row.
 */
function sumGlsl(odd: boolean, result: string): string {
  return `
    void main() {
      ivec2 place = outputTexel();
      int sampleAt = place.y / groups;
      int first = (place.y - sampleAt * groups) * step;
      int end = min(first + step, pairs);
      vec4 sum = vec4(0.);
      for (int pair = first; pair < end; pair++) {
        vec4 texel = texelX(place.x, sampleAt * pairs + pair);
        ${odd ? 'if (pair == pairs - 1) texel.zw = vec2(0.);' : ''}
        sum += texel;
      }
      setOutput(${result});
    }`;
}
