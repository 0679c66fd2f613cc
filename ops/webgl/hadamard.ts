import type { HadamardPlan } from '../numerics/hadamard.js';
import { glslFloat } from './glsl.js';
import { type HadamardPass, hadamardPasses, type SignMasks } from './hadamardPasses.js';
import type { WebglScope } from './kernel.js';
import { paddedGlsl, runTexels, type TexelMatrix } from './texels.js';

/** Every block of `plan.size` neighbouring columns times H or Hᵀ; the size is even. */
export function transformTexels(
  webgl: WebglScope,
  x: TexelMatrix,
  plan: HadamardPlan,
  transpose: boolean,
): TexelMatrix {
  const { samples, rows, columns, pairs } = x;
  let last = x;
  const passes = hadamardPasses(plan, transpose);
  passes.forEach((pass, i) => {
    const odd = i === passes.length - 1 && rows % 2 === 1;
    last = runTexels(webgl, {
      inputs: { X: last },
      shape: [samples, rows, columns],
      uniforms: odd ? { pairs } : {},
      userCode: passGlsl(pass, odd),
    });
  });
  return last;
}

function passGlsl(pass: HadamardPass, odd: boolean): string {
  const { radix, stride, masks, columns, scale } = pass;
  const sum =
    masks === null
      ? butterfliesGlsl(radix)
      : columns === 'dense'
        ? denseColumnsGlsl(masks)
        : denseGlsl(masks);
  const paired = columns === 'butterfly' ? 'vec4(y.x + y.y, y.x - y.y, y.z + y.w, y.z - y.w)' : 'y';
  return `
    ${masks === null ? '' : tableGlsl(masks)}
    void main() {
      ivec2 place = outputTexel();
      int column = place.x;
      int row = place.y;
      int j = ${stride === 1 ? 'column' : `column / ${stride}`} % ${radix};
      int first = column - j * ${stride};
      ${sum.replaceAll('INPUT', stride === 1 ? '' : `${stride} * `)}
      y = ${paired} * ${glslFloat(scale)};
      ${odd ? paddedGlsl('y', 1, 2) : ''}
      setOutput(y);
    }`;
}

/**
 * Sylvester's factor for one output: in every stage the sums or the differences of neighbours, as
 * the bits of j say.
 */
function butterfliesGlsl(radix: number): string {
  const lines = Array.from(
    { length: radix },
    (_, i) => `vec4 v${i} = texelX(first + INPUT${i}, row);`,
  );
  for (let bit = 1, left = radix / 2; left >= 1; bit *= 2, left /= 2) {
    lines.push(`float sign${bit} = (j & ${bit}) == 0 ? 1. : -1.;`);
    for (let i = 0; i < left; i++) lines.push(`v${i} = v${2 * i} + sign${bit} * v${2 * i + 1};`);
  }
  return [...lines, 'vec4 y = v0;'].join('\n');
}

/** Signs by the output's words. */
function tableGlsl({ words }: SignMasks): string {
  const list = [...words].map((word) => `${word}u`).join(', ');
  return `
    const uint SIGNS[${words.length}] = uint[${words.length}](${list});
    float signOf(uint bits, uint bit) {
      return (bits & bit) == 0u ? 1. : -1.;
    }`;
}

/**
 * `body(i)` for all inputs, as a loop over whole words of signs, each unrolled, and the rest: a
 * fetch then need not wait for the one before, and sources stay short. `start` loads the signs of
 * `word`, whose first texel is at `base`.
 */
function wordsGlsl(
  { order }: SignMasks,
  texelsPerWord: number,
  start: string,
  body: (i: number) => string,
): string {
  const whole = Math.floor(order / 32);
  const inputs = (count: number) => Array.from({ length: count }, (_, i) => body(i)).join('\n');
  const base = `int base = first + INPUT${texelsPerWord} * word;`;
  const loop = `for (int word = 0; word < ${whole}; word++) {
        ${base}
        ${start}
        ${inputs(32)}
      }`;
  const rest = `int word = ${whole};
      ${base}
      ${start}
      ${inputs(order % 32)}`;
  return `${whole > 0 ? loop : ''}
      ${order % 32 > 0 ? rest : ''}`;
}

/** A dense factor over whole texels. */
function denseGlsl(masks: SignMasks): string {
  const start = `uint bits = SIGNS[j * ${masks.perOutput} + word];`;
  const body = (i: number) => `y += signOf(bits, ${bitOf(i)}) * texelX(base + INPUT${i}, row);`;
  return `vec4 y = vec4(0.);
      ${wordsGlsl(masks, 32, start, body)}`;
}

/** A dense factor over neighbouring columns: two inputs and two outputs a texel. */
function denseColumnsGlsl(masks: SignMasks): string {
  const { perOutput } = masks;
  const start = `
        uint even = SIGNS[2 * j * ${perOutput} + word];
        uint odd = SIGNS[(2 * j + 1) * ${perOutput} + word];
        vec4 x;`;
  const body = (i: number) => {
    const [left, right] = [bitOf(i), bitOf(i + 1)];
    if (i % 2 === 1) return '';
    return `x = texelX(base + INPUT${i / 2}, row);
        y.xz += signOf(even, ${left}) * x.xz + signOf(even, ${right}) * x.yw;
        y.yw += signOf(odd, ${left}) * x.xz + signOf(odd, ${right}) * x.yw;`;
  };
  return `vec4 y = vec4(0.);
      ${wordsGlsl(masks, 16, start, body)}`;
}

/** Bit i of a word as a literal. */
function bitOf(i: number): string {
  return `${(1 << i) >>> 0}u`;
}
