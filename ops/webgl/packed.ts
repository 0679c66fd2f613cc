import { type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { WebglProgram } from './backend.js';
import type { WebglScope } from './kernel.js';
import { asTexels, runTexels, type TexelMatrix } from './texels.js';

/**
 * A tensor seen as [samples, rows, columns], on the GPU, and packed by one pass where it is not
 * yet.
 */
export function texelsOf(webgl: WebglScope, x: TensorInfo): TexelMatrix {
  const [rows, columns] = rowsAndColumns(x.shape);
  const samples = util.sizeFromShape(x.shape) / (rows * columns);
  const shape = [samples, rows, columns];
  const matrix = asTexels(webgl.view(x, shape));
  const data = webgl.backend.texData.get(x.dataId);
  if (data.texture == null) {
    // as tfjs does it for packed programs: what is on the host goes up packed
    data.isPacked = true;
    data.shape = shape;
    webgl.backend.uploadToGPU(x.dataId);
  }
  if (!data.isPacked) return asTexels(webgl.run(packProgram(matrix), [matrix.info]));
  return samePairs(data.shape, shape) ? matrix : repacked(webgl, x, data.shape, matrix);
}

/**
 * Whether packed data of one shape is that of another as it lies; tfjs moves what is not, and no
 * less.
 */
function samePairs(from: readonly number[], to: readonly number[]): boolean {
  const [rows, columns] = rowsAndColumns(from);
  const [wantedRows, wantedColumns] = rowsAndColumns(to);
  if (columns !== wantedColumns) return false;
  return rows === wantedRows || (rows % 2 === 0 && wantedRows % 2 === 0);
}

function rowsAndColumns(shape: readonly number[]): [number, number] {
  return [shape[shape.length - 2] ?? 1, shape[shape.length - 1] ?? 1];
}

/**
 * Unpacked → packed. By shapes in the source: tfjs takes one shader for folded textures and others
 * where they are uniforms.
 */
function packProgram({ info, rows, columns }: TexelMatrix): WebglProgram {
  return {
    variableNames: ['X'],
    outputShape: info.shape,
    packedOutput: true,
    userCode: `
    float valueAt(ivec3 place) {
      bool inside = place.y < ${rows} && place.z < ${columns};
      return inside ? getX(place.x, place.y, place.z) : 0.;
    }
    void main() {
      ivec3 place = getOutputCoords();
      float a = valueAt(place);
      float b = valueAt(place + ivec3(0, 0, 1));
      float c = valueAt(place + ivec3(0, 1, 0));
      setOutput(vec4(a, b, c, valueAt(place + ivec3(0, 1, 1))));
    }`,
  };
}

/** Packed for one shape → packed for another of the same size. */
function repacked(
  webgl: WebglScope,
  x: TensorInfo,
  from: readonly number[],
  { samples, rows, columns, pairs }: TexelMatrix,
): TexelMatrix {
  const [fromRows, fromColumns] = rowsAndColumns(from);
  const size = util.sizeFromShape(x.shape);
  const shape = [size / (fromRows * fromColumns), fromRows, fromColumns];
  const input = asTexels(webgl.view(x, shape));
  return runTexels(webgl, {
    inputs: { X: input },
    shape: [samples, rows, columns],
    uniforms: { rows, pairs, fromRows, fromPairs: input.pairs },
    userCode: `
    float valueAt(int sampleAt, int row, int column) {
      if (row >= rows || column >= ${columns}) return 0.;
      int index = (sampleAt * rows + row) * ${columns} + column;
      int line = index / ${fromColumns};
      int c = index - line * ${fromColumns};
      int s = line / fromRows;
      int r = line - s * fromRows;
      vec4 texel = texelX(c / 2, s * fromPairs + r / 2);
      vec2 pair = (r & 1) == 0 ? texel.xy : texel.zw;
      return (c & 1) == 0 ? pair.x : pair.y;
    }
    void main() {
      ivec2 place = outputTexel();
      int s = place.y / pairs;
      int r = 2 * (place.y - s * pairs);
      int c = 2 * place.x;
      vec2 upper = vec2(valueAt(s, r, c), valueAt(s, r, c + 1));
      setOutput(vec4(upper, valueAt(s, r + 1, c), valueAt(s, r + 1, c + 1)));
    }`,
  });
}
