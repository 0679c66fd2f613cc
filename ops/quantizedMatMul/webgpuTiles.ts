import { slicesFit } from './webgpuTile.js';

/**
 * Rows and columns of y that a workgroup has, from how many of them on; measured on one H200. At 4
 * bits groups end in floats and words are unpacked: a smaller tile is always as fast, or a fifth
 * faster.
 */
const TILES = [
  { tileM: 64, tileN: 64, least: { bytes: 264, nibbles: Number.POSITIVE_INFINITY } },
  { tileM: 32, tileN: 64, least: { bytes: 320, nibbles: 320 } },
  { tileM: 32, tileN: 32, least: { bytes: 0, nibbles: 0 } },
] as const;

/** The largest tile of which there are enough. */
export function tileFor(rows: number, n: number, weights: 'bytes' | 'nibbles') {
  const enough = ({ tileM, tileN, least }: (typeof TILES)[number]) =>
    Math.ceil(rows / tileM) * Math.ceil(n / tileN) >= least[weights];
  return TILES.find(enough)!;
}

/** Where workgroups are small and have many steps, two slices of one take them in turn. */
export function slicesFor(tile: Parameters<typeof slicesFit>[1], steps: number): 1 | 2 {
  return tile.tileN === 32 && steps >= 4 && slicesFit(2, tile) ? 2 : 1;
}
