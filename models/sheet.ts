import { slice, type Tensor4D } from '@tensorflow/tfjs-core';
import { byteOf } from './pixels.js';
import { sheetPng } from './sheetPng.js';

/** Pictures of each row. */
const COLUMNS = 8;

/** Height and width of a picture in the sheet, in pixels, at least: small ones are enlarged. */
const SHOWN = 128;

/**
 * A sheet of pictures, a row for each model: the first eight that it drew, all from the same noise.
 */
export class Sheet {
  private readonly pictures: Uint8Array[] = [];
  private readonly labels: string[] = [];
  private size = 0;
  private left = 0;

  /** Starts a row, with its name above it. */
  startRow(label: string): void {
    this.labels.push(label);
    this.left = COLUMNS;
  }

  /** Takes what the row has room for; float32 [n, S, S, 3] in [−1, 1]. */
  async add(pictures: Tensor4D): Promise<void> {
    const count = Math.min(this.left, pictures.shape[0]);
    if (count === 0) return;
    const side = pictures.shape[1];
    const factor = Math.max(1, Math.round(SHOWN / side));
    this.size = side * factor;
    const chosen = slice(pictures, 0, count);
    const values = await chosen.data<'float32'>();
    chosen.dispose();
    for (let i = 0; i < count; i++) {
      const own = values.subarray(i * 3 * side * side, (i + 1) * 3 * side * side);
      this.pictures.push(enlarged(own, side, factor));
    }
    this.left -= count;
  }

  /** As a PNG. */
  png(): Buffer {
    return sheetPng(this.pictures, this.size, COLUMNS, this.labels);
  }
}

/** Bytes [size, size, 3] of a picture in [−1, 1], each pixel repeated. */
function enlarged(values: Float32Array, side: number, factor: number): Uint8Array {
  const size = side * factor;
  const bytes = new Uint8Array(size * size * 3);
  for (let i = 0; i < bytes.length; i++) {
    const [row, column] = [Math.floor(i / (3 * size)), Math.floor(i / 3) % size];
    const from = Math.floor(row / factor) * side + Math.floor(column / factor);
    bytes[i] = byteOf(values[3 * from + (i % 3)]!);
  }
  return bytes;
}
