import { PNG } from 'pngjs';
import { LETTER, lettering } from './lettering.js';

/** Pixels of a dot of a label, and of the space around it. */
const DOT = 3;
const MARGIN = 6;
const BAND = LETTER.height * DOT + 2 * MARGIN;

/**
 * A PNG of RGB pictures u8 [size, size, 3], so many to a row.
 * @param labels What is written above each row; absent: nothing, and there is no room for it.
 */
export function sheetPng(
  pictures: readonly Uint8Array[],
  size: number,
  columns: number,
  labels?: readonly string[],
): Buffer {
  const rows = Math.ceil(pictures.length / columns);
  const band = labels === undefined ? 0 : BAND;
  const png = new PNG({ width: columns * size, height: rows * (band + size) });
  png.data.fill(255);
  for (const [row, label] of (labels ?? []).entries()) write(png, label, row * (band + size));
  for (const [i, pixels] of pictures.entries()) {
    const left = (i % columns) * size;
    const top = Math.floor(i / columns) * (band + size) + band;
    for (let p = 0; p < size * size; p++) {
      const to = (top + Math.floor(p / size)) * png.width + left + (p % size);
      png.data.set(pixels.subarray(3 * p, 3 * p + 3), 4 * to);
    }
  }
  return PNG.sync.write(png);
}

/** A label in black, cut off where the sheet ends. */
function write(png: PNG, label: string, top: number): void {
  for (const [y, row] of lettering(label).entries()) {
    for (const [x, ink] of row.entries()) {
      if (!ink) continue;
      for (let dot = 0; dot < DOT * DOT; dot++) {
        const column = MARGIN + x * DOT + (dot % DOT);
        const line = top + MARGIN + y * DOT + Math.floor(dot / DOT);
        if (column >= png.width) continue;
        const at = 4 * (line * png.width + column);
        png.data.fill(0, at, at + 3);
      }
    }
  }
}
