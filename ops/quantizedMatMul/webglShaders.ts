import { fitsIn, type GroupedFormat } from '../numerics/formats.js';
import { PIXELS_USAGE, type WebglProgram } from '../webgl/backend.js';
import { BYTES_GLSL } from '../webgl/bytes.js';
import { placeGlsl, placeOfGlsl, type TexelGrid } from '../webgl/texelGrid.js';
import { groupSizeOf } from './contract.js';
import { activationGlsl } from './webglActivations.js';
import {
  BLOCK,
  HEADER,
  type PackedAttrs,
  type Segments,
  SUM_OFFSET,
  texelsPerBlock,
} from './webglWeights.js';

/**
 * x [rows, d] → texels of 4 channels of a row, as the product walks them; zeros where a segment is
 * padded.
 */
export function packProgram(
  x: {
    readonly rows: number;
    readonly d: number;
    readonly packed: boolean;
    readonly codes: boolean;
  },
  segments: Segments,
  grid: TexelGrid,
): WebglProgram {
  const { rows, d, packed, codes } = x;
  const from = packed ? 'packedX(row, k)' : 'getX(row, k)';
  return {
    variableNames: ['X'],
    packedInputs: packed,
    ...(codes
      ? { outputShape: [grid.height, grid.width], outTexUsage: PIXELS_USAGE }
      : { outputShape: [2 * grid.height, 2 * grid.width], packedOutput: true }),
    userCode: `
    ${placeOfGlsl('placeOf', grid)}
    ${packed ? PACKED_X : ''}
    float channel(int row, int k, bool there) {
      return there ? ${from} : 0.;
    }
    void main() {
      ivec3 place = placeOf(ivec2(gl_FragCoord.xy));
      int row = place.x;
      int first = place.y * ${segments.rows} + place.z * ${BLOCK};
      int end = row < ${rows} ? min((place.y + 1) * ${segments.rows}, ${d}) : 0;
      outputColor = vec4(
        channel(row, first, first < end),
        channel(row, first + 1, first + 1 < end),
        channel(row, first + 2, first + 2 < end),
        channel(row, first + 3, first + 3 < end))${codes ? ' / 255.' : ''};
    }`,
  };
}

const PACKED_X = `
    float packedX(int row, int k) {
      vec4 texel = getX(row, k);
      vec2 pair = row % 2 == 0 ? texel.xy : texel.zw;
      return k % 2 == 0 ? pair.x : pair.y;
    }`;

/** What a product program is made for. */
export interface ProductSpec {
  readonly rows: number;
  /** Rows of x that share a row of `sampleRows`; 0 where there are none. */
  readonly tokens: number;
  readonly bias: boolean;
  readonly attrs: PackedAttrs;
  readonly xGrid: TexelGrid;
  readonly weightsGrid: TexelGrid;
  /** Whether texels are byte / 255 to float32's precision. */
  readonly exactBytes: boolean;
  /** GLSL of `besideOf`: alongGlsl; null for nothing beside. */
  readonly beside: string | null;
}

/**
 * activation(x W + row + what is beside), [rows, n]. An invocation gives two rows and two columns:
 * per 4 rows of W it fetches two texels of x and one of W (two above 4 bits). x is codes where its
 * format says so; their products add up to integers.
 *
 * Inputs: X, W, then xScale and xZeroPoint where x is codes, then bias, then sampleRows, then Along
 * and Directions.
 */
export function productProgram(spec: ProductSpec): WebglProgram {
  const { rows, tokens, bias, attrs, xGrid, weightsGrid, exactBytes, beside } = spec;
  const { n, xFormat, d, activation, segments } = attrs;
  const codes = xFormat.kind !== 'float32';
  const oneGroup = groupSizeOf(xFormat, d) === d;
  const groupGlsl = `vec2 zeroPoint, groupScale;${oneGroup ? GROUP_GLSL : ''}`;
  return {
    variableNames: [
      'X',
      'W',
      ...(codes ? ['xScale', 'xZeroPoint'] : []),
      ...(bias ? ['bias'] : []),
      ...(tokens > 0 ? ['sampleRows'] : []),
      ...(beside === null ? [] : ['Along', 'Directions']),
    ],
    outputShape: [rows, n],
    packedOutput: true,
    userCode: `
    ${BYTES_GLSL}
    ${placeGlsl('placeX', xGrid)}
    ${placeGlsl('placeW', weightsGrid)}
    ${activationGlsl(activation)}
    ${beside ?? ''}
    float floatOf(vec4 texel) {
      uvec4 bytes = uvec4(bytesOf(texel));
      return uintBitsToFloat(bytes.x | bytes.y << 8 | bytes.z << 16 | bytes.w << 24);
    }
    float rowOf(int row, int column) {
      float sum = 0.;
      ${tokens > 0 ? `sum += getSampleRows(row / ${tokens}, column);` : ''}
      ${bias ? 'sum += getBias(column);' : ''}
      return sum;
    }
    void main() {
      ivec2 at = getOutputCoords();
      // the last of an odd number of rows or columns is done twice
      ivec2 row = ivec2(at.x, min(at.x + 1, ${rows - 1}));
      ivec2 column = ivec2(at.y, min(at.y + 1, ${n - 1}));
      vec4 total = vec4(0.); // (row, column): (0, 0), (0, 1), (1, 0), (1, 1)
      int group = 0;
      ${codes ? groupGlsl : ''}
      for (int segment = 0; segment < ${segments.count}; segment++) {
        vec2 atA = placeX(row.x, segment);
        vec2 atB = placeX(row.y, segment);
        vec2 atW = placeW(at.y / 2, segment);
        vec4 header = bytesOf(texture(W, atW));
        vec2 scale = vec2(
          floatOf(texture(W, atW + placeWStep)), floatOf(texture(W, atW + 2. * placeWStep)));
        atW += ${HEADER}. * placeWStep;
        vec4 sums = vec4(0.);
        for (int block = 0; block < ${segments.blocks}; block++) {
          ${blockGlsl(attrs, exactBytes)}
          sums += vec4(dot(a, first), dot(a, second), dot(b, first), dot(b, second));
          atA += placeXStep;
          atB += placeXStep;
          atW += placeWStep;
        }
        ${codes ? codesGlsl(attrs, exactBytes) : 'total += scale.xyxy * sums;'}
      }
      total += vec4(
        rowOf(row.x, column.x), rowOf(row.x, column.y),
        rowOf(row.y, column.x), rowOf(row.y, column.y));
      ${beside === null ? '' : 'total += besideOf(row, at.y / 2);'}
      setOutput(vec4(activate(total.x), activate(total.y), activate(total.z), activate(total.w)));
    }`,
  };
}

const GROUP_GLSL = `
        zeroPoint = vec2(getXZeroPoint(row.x, group), getXZeroPoint(row.y, group));
        groupScale = vec2(getXScale(row.x, group), getXScale(row.y, group));`;

/**
 * a and b: 4 channels of either row of x, where they are codes over 255 unless `codesOverByte` says
 * otherwise; first and second: 4 rows of either column of W.
 *
 * Where fetches are exact nothing is rounded but the high half of a byte: rounding takes several
 * times as long as multiplying.
 */
function blockGlsl({ format, xFormat }: PackedAttrs, exactBytes: boolean): string {
  const floats = xFormat.kind === 'float32';
  // the sums of float32 x are no integers, and keep what W is off by
  const exact = exactBytes && !floats;
  const x = floats || codesOverByte(format, exact) ? '' : 'bytesOf';
  const rows = `
          vec4 a = ${x}(texture(X, atA));
          vec4 b = ${x}(texture(X, atB));`;
  const byte = (texel: string) =>
    exact ? `${texel} * 255. - 128.` : `floor(${texel} * 255. - 127.5)`;
  if (texelsPerBlock(format) === 2) {
    return `${rows}
          vec4 first = ${byte('texture(W, atW)')};
          atW += placeWStep;
          vec4 second = ${byte('texture(W, atW)')};`;
  }
  const both = exact ? 'both * 255. - 136.' : 'floor(both * 255. - 135.5)';
  return `${rows}
          vec4 both = texture(W, atW);
          vec4 second = floor(both * 15.9375 - 7.96875);
          vec4 first = ${both} - 16. * second;`;
}

/**
 * Whether codes of x are multiplied as byte / 255: the error of so many small products is far below
 * half a step.
 */
function codesOverByte(format: GroupedFormat, exact: boolean): boolean {
  return exact || fitsIn(format, 4);
}

/**
 * total += what the codes are worth: scale · (Σ x q − zero point · Σ q). Sums of codes are
 * integers, and rounded to these.
 */
function codesGlsl(
  { format, xFormat, d, segments: { rows } }: PackedAttrs,
  exact: boolean,
): string {
  const groupSize = groupSizeOf(xFormat, d);
  const changes = `group = segment * ${rows} / ${groupSize};${GROUP_GLSL}`;
  return `
        ${codesOverByte(format, exact) ? 'sums = floor(255. * sums + .5);' : ''}
        ${groupSize < d ? changes : ''}
        vec2 codeSums = header.xz + 256. * header.yw - ${SUM_OFFSET}.;
        total += groupScale.xxyy * scale.xyxy * (sums - zeroPoint.xxyy * codeSums.xyxy);`;
}

/**
 * residual W + coefficients · basis, [samples, n]; row i of a scaled basis belongs to coefficient i
 * mod rank. All packed but the output.
 */
export function rowsProgram(
  shape: readonly [samples: number, n: number],
  parts: {
    readonly product: boolean;
    readonly basisRows: number;
    readonly rank: number;
    readonly scaled: boolean;
  },
): WebglProgram {
  const { product, basisRows, rank, scaled } = parts;
  return {
    variableNames: [
      ...(product ? ['product'] : []),
      ...(basisRows > 0 ? ['coefficients', 'basis'] : []),
      ...(scaled ? ['basisScale'] : []),
    ],
    outputShape: shape,
    packedInputs: true,
    userCode: `
    float lane(vec4 texel, int row, int column) {
      vec2 pair = row % 2 == 0 ? texel.xy : texel.zw;
      return column % 2 == 0 ? pair.x : pair.y;
    }
    void main() {
      ivec2 at = getOutputCoords();
      float sum = 0.;
      for (int i = 0; i < ${basisRows}; i++) {
        ${basisRows > 0 ? basisGlsl(rank, scaled) : ''}
      }
      ${product ? 'sum += lane(getProduct(at.x, at.y), at.x, at.y);' : ''}
      setOutput(sum);
    }`,
  };
}

function basisGlsl(rank: number, scaled: boolean): string {
  return `
        int c = i % ${rank};
        float factor = lane(getCoefficients(at.x, c), at.x, c);
        ${scaled ? 'factor *= lane(getBasisScale(i), 0, i);' : ''}
        sum += factor * lane(getBasis(i, at.y), i, at.y);`;
}
