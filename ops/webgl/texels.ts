import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { WebglScope } from './kernel.js';

/**
 * A packed tensor [samples, rows, columns] as a matrix of texels, each of 2 rows × 2 columns of a
 * sample: (r, c), (r, c + 1), (r + 1, c), (r + 1, c + 1). Where rows or columns are odd, the last
 * texels have lanes of padding, which may hold anything in what tfjs made and is 0 in what kernels
 * give back.
 */
export interface TexelMatrix {
  readonly info: TensorInfo;
  readonly samples: number;
  readonly rows: number; // of a sample
  readonly columns: number;
  readonly pairs: number; // texels along the rows of a sample
  readonly width: number; // texels along the columns
}

/** A packed tensor of shape [samples, rows, columns]. */
export function asTexels(info: TensorInfo): TexelMatrix {
  const [samples, rows, columns] = info.shape as [number, number, number];
  const [pairs, width] = [Math.ceil(rows / 2), Math.ceil(columns / 2)];
  return { info, samples, rows, columns, pairs, width };
}

/**
 * A program from texels to texels; `main` finds its place by `outputTexel`, its inputs by
 * `texelNAME`.
 */
export interface TexelProgram {
  readonly inputs: Readonly<Record<string, TexelMatrix>>;
  /** [samples, rows, columns] */
  readonly shape: readonly [number, number, number];
  readonly userCode: string;
  /** Uniforms of type int, or float where `floats` names them. */
  readonly uniforms?: Readonly<Record<string, number>>;
  readonly floats?: readonly string[];
  readonly dtype?: 'float32' | 'int32';
}

/** Runs it; sizes that are not in `userCode` need no other shader. */
export function runTexels(webgl: WebglScope, program: TexelProgram): TexelMatrix {
  const { inputs, shape, uniforms = {}, floats = [], dtype } = program;
  const infos = Object.values(inputs).map(({ info }) => info);
  const values = Object.values(uniforms).map((value) => [value]);
  const width = Math.ceil(shape[2] / 2);
  const run = (folded: boolean) =>
    webgl.run(
      {
        variableNames: Object.keys(inputs),
        outputShape: shape,
        packedInputs: true,
        packedOutput: true,
        enableShapeUniforms: true,
        customUniforms: Object.keys(uniforms).map((name) => ({
          name,
          type: floats.includes(name) ? 'float' : 'int',
        })),
        userCode: [readersGlsl(webgl, inputs), placeGlsl(width, folded), program.userCode].join(''),
      },
      infos,
      dtype ?? 'float32',
      values,
    );
  const folded = Math.max(shape[0] * Math.ceil(shape[1] / 2), width) > webgl.maxTextureSize;
  const output = run(folded);
  // tfjs can be told to fold other textures as well
  return asTexels(!folded && isFolded(webgl, output, width) ? run(true) : output);
}

/** Whether tfjs laid rows of `width` texels out in lines of another length. */
function isFolded(webgl: WebglScope, { dataId }: TensorInfo, width: number): boolean {
  const { texShape } = webgl.backend.texData.get(dataId);
  return Math.ceil(texShape![1] / 2) !== width;
}

/**
 * GLSL: `vec4 texelNAME(int column, int row)`. tfjs folds what is wider or higher than a texture
 * may be; that is in the source and not looked up by the shader, for a branch there costs as much
 * as the fetch.
 */
function readersGlsl(webgl: WebglScope, inputs: TexelProgram['inputs']): string {
  const readers = Object.entries(inputs).map(([name, { info, width }]) => {
    const index = `int index = row * ${width} + column; int lineTexels = ${name}TexShape[1] / 2;`;
    const [prepare, place] = isFolded(webgl, info, width)
      ? [index, 'ivec2(index % lineTexels, index / lineTexels)']
      : ['', 'ivec2(column, row)'];
    return `
    vec4 texel${name}(int column, int row) {
      ${prepare}
      return texelFetch(${name}, ${place}, 0);
    }`;
  });
  return readers.join('');
}

/** The same reader for a program without shape uniforms, which is another one for each texture. */
export function fixedReaderGlsl(webgl: WebglScope, name: string, matrix: TexelMatrix): string {
  const { info, width } = matrix;
  const line = Math.ceil(webgl.backend.texData.get(info.dataId).texShape![1] / 2);
  const folded = `ivec2((row * ${width} + column) % ${line}, (row * ${width} + column) / ${line})`;
  return `
    vec4 texel${name}(int column, int row) {
      return texelFetch(${name}, ${line === width ? 'ivec2(column, row)' : folded}, 0);
    }`;
}

/** GLSL: `ivec2 outputTexel()`, (column, row) of the texel that is written. */
function placeGlsl(width: number, folded: boolean): string {
  const index = 'int index = place.y * (outTexShape[1] / 2) + place.x;';
  return `
    ivec2 outputTexel() {
      ivec2 place = ivec2(gl_FragCoord.xy);
      ${folded ? index : ''}
      return ${folded ? `ivec2(index % ${width}, index / ${width})` : 'place'};
    }`;
}

/**
 * GLSL statements that put 0 into the padding lanes of the texel `name` at (column, row); `pairs`
 * is a uniform.
 */
export function paddedGlsl(name: string, rows: number, columns: number): string {
  const statements: string[] = [];
  if (columns % 2 === 1) {
    statements.push(`if (column == ${(columns - 1) / 2}) ${name}.yw = vec2(0.);`);
  }
  if (rows % 2 === 1) statements.push(`if (row % pairs == pairs - 1) ${name}.zw = vec2(0.);`);
  return statements.join('\n');
}
