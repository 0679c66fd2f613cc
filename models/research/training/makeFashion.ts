/**
 * Fashion-MNIST as a dataset of the same form: ten kinds of clothes that are easily confused, for a
 * class accuracy.
 *
 * Wants the four files of Debian's package dataset-fashion-mnist (Zalando SE, MIT licence).
 *
 * Run: npx tsx models/research/training/makeFashion.ts --out <folder> [--from
 * /usr/share/datasets/fashion-mnist]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { flag, needed, orExit, readFlags } from '../../../src/cli/flags.js';
import { text } from '../../../src/cli/readers.js';
import { HadaNormError } from '../../../src/index.js';
import { FASHION_CLASSES } from '../../classNames.js';
import { type Picture, writeDataset } from './dataset.js';

/** Height and width of the files' pictures, and of ours, which have a black border. */
const [INNER, SIZE] = [28, 32];

const FLAGS = {
  out: needed(text('FOLDER')),
  from: flag(text('FOLDER'), '/usr/share/datasets/fashion-mnist'),
};
const flags = orExit(() => readFlags('makeFashion', FLAGS, process.argv.slice(2)).values);
const parts = [
  { heldOut: false, ...readPart('train') },
  { heldOut: true, ...readPart('t10k') },
];
const info = {
  count: parts.reduce((sum, { labels }) => sum + labels.length, 0),
  size: SIZE,
  classes: FASHION_CLASSES,
  attributes: [],
  about: { name: 'Fashion-MNIST', licence: 'MIT', creator: 'Zalando SE' },
};
await writeDataset(flags.out, info, pictures());

function* pictures(): Generator<Picture> {
  for (const { images, labels, heldOut } of parts) {
    for (const [i, label] of labels.entries()) {
      const grey = images.subarray(i * INNER ** 2, (i + 1) * INNER ** 2);
      yield { pixels: framed(grey), label, heldOut, attributes: [] };
    }
  }
}

/** Grey [28, 28] → RGB [32, 32, 3]. */
function framed(grey: Uint8Array): Uint8Array {
  const border = (SIZE - INNER) / 2;
  const pixels = new Uint8Array(3 * SIZE * SIZE);
  for (const [i, value] of grey.entries()) {
    const at = (Math.floor(i / INNER) + border) * SIZE + (i % INNER) + border;
    pixels.fill(value, 3 * at, 3 * at + 3);
  }
  return pixels;
}

function readPart(name: 'train' | 't10k'): { images: Uint8Array; labels: Uint8Array } {
  const images = readIdx(`${name}-images-idx3-ubyte.gz`, [INNER, INNER]);
  const labels = readIdx(`${name}-labels-idx1-ubyte.gz`, []);
  return { images, labels };
}

/** The values of a file in IDX format: a magic number, the sizes of the axes big-endian, bytes. */
function readIdx(name: string, item: readonly number[]): Uint8Array {
  const file = join(flags.from, name);
  const bytes = gunzipSync(readFileSync(file));
  const header = 8 + 4 * item.length;
  const length = item.reduce((product, dim) => product * dim, bytes.readUInt32BE(4));
  const right =
    bytes.readUInt32BE(0) === 0x801 + item.length &&
    item.every((dim, axis) => bytes.readUInt32BE(8 + 4 * axis) === dim);
  if (right && bytes.length === header + length) return bytes.subarray(header);
  throw new HadaNormError('makeFashion', `${file} is not an IDX file of bytes [n, ${item}].`);
}
