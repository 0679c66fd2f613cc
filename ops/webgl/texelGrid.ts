import { UnsupportedDeviceError } from '../numerics/errors.js';

/**
 * Where texels of items (rows, columns) lie in a texture: each item is `segments` runs of
 * `segmentTexels` neighbours along x, all in one line; where that does not fit, run after run fills
 * line after line.
 */
export interface TexelGrid {
  readonly segments: number;
  readonly segmentTexels: number;
  readonly segmentsPerLine: number; // `segments` where each item has its line
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
  const fits = items <= maxSize && segments * segmentTexels <= maxSize;
  const segmentsPerLine = fits ? segments : Math.floor(maxSize / segmentTexels);
  const lines = fits ? items : Math.ceil((items * segments) / segmentsPerLine);
  if (lines > maxSize) {
    const texels = `${items * segments} × ${segmentTexels} texels`;
    const wanted = `room for ${texels} in a texture, for ${what}`;
    const got = `textures of at most ${maxSize} × ${maxSize}`;
    throw new UnsupportedDeviceError(op, wanted, got, 'Use smaller batches, or another backend.');
  }
  // tfjs may be told to fold textures of one line, so that there are two
  const height = Math.max(2, lines);
  return {
    segments,
    segmentTexels,
    segmentsPerLine,
    width: segmentsPerLine * segmentTexels,
    height,
  };
}

/**
 * GLSL: `vec2 name(int item, int segment)`, the center of a segment's first texel, and
 * `vec2 nameStep`, from there to the next one's. Steps through a segment stay within a tenth of a
 * texel of the centers in textures of up to 2^14 texels.
 */
export function placeGlsl(name: string, grid: TexelGrid): string {
  const { segments, segmentTexels, segmentsPerLine, width, height } = grid;
  const plain = `ivec2 at = ivec2(segment * ${segmentTexels}, item);`;
  const folded = `
      int run = item * ${segments} + segment;
      ivec2 at = ivec2(run % ${segmentsPerLine} * ${segmentTexels}, run / ${segmentsPerLine});`;
  return `
    const vec2 ${name}Step = vec2(1. / ${width}., 0.);
    vec2 ${name}(int item, int segment) {
      ${segmentsPerLine === segments ? plain : folded}
      return (vec2(at) + .5) / vec2(${width}, ${height});
    }`;
}

/**
 * GLSL: `ivec3 name(ivec2 texel)` → (item, segment, texel of the segment); items may be beyond the
 * last.
 */
export function placeOfGlsl(name: string, grid: TexelGrid): string {
  const { segments, segmentTexels, segmentsPerLine } = grid;
  return `
    ivec3 ${name}(ivec2 texel) {
      int run = texel.y * ${segmentsPerLine} + texel.x / ${segmentTexels};
      return ivec3(run / ${segments}, run % ${segments}, texel.x % ${segmentTexels});
    }`;
}

/** First byte of a segment in the grid's bytes, 4 to a texel. */
export function byteOffset(grid: TexelGrid, item: number, segment: number): number {
  const { segments, segmentTexels, segmentsPerLine, width } = grid;
  const run = item * segments + segment;
  const line = Math.floor(run / segmentsPerLine);
  return 4 * (line * width + (run % segmentsPerLine) * segmentTexels);
}
