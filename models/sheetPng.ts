import { PNG } from 'pngjs';

/** A PNG of RGB pictures u8 [size, size, 3], so many to a row. */
export function sheetPng(pictures: readonly Uint8Array[], size: number, columns: number): Buffer {
  const rows = Math.ceil(pictures.length / columns);
  const png = new PNG({ width: columns * size, height: rows * size });
  png.data.fill(255);
  for (const [i, pixels] of pictures.entries()) {
    const [left, top] = [(i % columns) * size, Math.floor(i / columns) * size];
    for (let p = 0; p < size * size; p++) {
      const to = (top + Math.floor(p / size)) * png.width + left + (p % size);
      png.data.set(pixels.subarray(3 * p, 3 * p + 3), 4 * to);
    }
  }
  return PNG.sync.write(png);
}
