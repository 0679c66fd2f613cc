import type { TensorInfo } from '@tensorflow/tfjs-core';
import { UnsupportedDeviceError } from '../common/errors.js';
import { PIXELS_USAGE, type WebglBackend } from './backend.js';

/**
 * Where texels of items (rows, columns) lie in a texture: each item is `segments` runs of `segmentTexels` neighbours along
 * x, in as many lines as the texture's width asks for; lines beyond its height go on to the right.
 */
export interface TexelGrid {
  readonly items: number;
  readonly segments: number;
  readonly segmentTexels: number;
  readonly segmentsPerLine: number;
  readonly linesPerItem: number;
  readonly lineTexels: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Lays items out in a texture of at most maxSize × maxSize texels.
 * @throws UnsupportedDeviceError where they do not fit.
 */
export function texelGrid(
  op: string,
  what: string,
  [items, segments, segmentTexels]: readonly [number, number, number],
  maxSize: number,
): TexelGrid {
  const segmentsPerLine = Math.min(segments, Math.max(1, Math.floor(maxSize / segmentTexels)));
  const lineTexels = segmentsPerLine * segmentTexels;
  const linesPerItem = Math.ceil(segments / segmentsPerLine);
  const lines = items * linesPerItem;
  const columns = Math.ceil(lines / maxSize);
  const width = columns * lineTexels;
  if (width > maxSize) {
    const wanted = `room for ${lines} × ${lineTexels} texels in a texture, for ${what}`;
    const got = `textures of at most ${maxSize} × ${maxSize}`;
    throw new UnsupportedDeviceError(op, wanted, got, 'Use smaller batches, or another backend.');
  }
  // tfjs may be told to fold textures of one line, so that there are two
  const height = Math.max(2, Math.ceil(lines / columns));
  const segmented = { items, segments, segmentTexels, segmentsPerLine };
  return { ...segmented, linesPerItem, lineTexels, width, height };
}

/** GLSL: `ivec2 name(int item, int segment)`, the first texel of a segment. */
export function placeGlsl(name: string, grid: TexelGrid): string {
  const { segmentTexels, segmentsPerLine, linesPerItem, lineTexels, width, height } = grid;
  const inLine = linesPerItem === 1 ? 'segment' : `segment % ${segmentsPerLine}`;
  const line = linesPerItem === 1 ? 'item' : `item * ${linesPerItem} + segment / ${segmentsPerLine}`;
  const folded = width > lineTexels;
  return `
    ivec2 ${name}(int item, int segment) {
      int line = ${line};
      int x = (${inLine}) * ${segmentTexels};
      return ${folded ? `ivec2(x + line / ${height} * ${lineTexels}, line % ${height})` : 'ivec2(x, line)'};
    }`;
}

/** GLSL: `ivec3 name(ivec2 texel)` → (item, segment, texel of the segment); items and segments may be beyond the last. */
export function placeOfGlsl(name: string, grid: TexelGrid): string {
  const { segmentTexels, segmentsPerLine, linesPerItem, lineTexels, height } = grid;
  return `
    ivec3 ${name}(ivec2 texel) {
      int inLine = texel.x % ${lineTexels};
      int line = texel.x / ${lineTexels} * ${height} + texel.y;
      int segment = line % ${linesPerItem} * ${segmentsPerLine} + inLine / ${segmentTexels};
      return ivec3(line / ${linesPerItem}, segment, inLine % ${segmentTexels});
    }`;
}

/** First byte of a segment in the grid's bytes, 4 to a texel. */
export function byteOffset(grid: TexelGrid, item: number, segment: number): number {
  const { segmentTexels, segmentsPerLine, linesPerItem, lineTexels, width, height } = grid;
  const line = item * linesPerItem + Math.floor(segment / segmentsPerLine);
  const x =
    Math.floor(line / height) * lineTexels + (segment % segmentsPerLine) * segmentTexels;
  return 4 * ((line % height) * width + x);
}

/** An RGBA8 texture of bytes [height, width, 4], as int32 data [height, width]; tfjs counts 4 bytes a texel, as it takes. */
export function uploadBytes(
  backend: WebglBackend,
  { width, height }: TexelGrid,
  bytes: Uint8Array,
): TensorInfo {
  const info = backend.makeTensorInfo([height, width], 'int32');
  const data = backend.texData.get(info.dataId);
  data.usage = PIXELS_USAGE;
  data.texShape = [height, width];
  backend.gpgpu.uploadDenseMatrixToTexture(backend.getTexture(info.dataId), width, height, bytes);
  return info;
}

/** GLSL: the bytes of a texel of an RGBA8 texture; how exactly a device divides by 255 does not matter. */
export const BYTES_GLSL = `
    vec4 bytesOf(vec4 texel) {
      return floor(texel * 255. + .5);
    }`;
