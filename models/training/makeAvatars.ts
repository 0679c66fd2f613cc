/**
 * Draws the avatars that the models learn: 16 CC0 styles of DiceBear, the last tenth of each kept from training.
 *
 * Run: npx tsx models/training/makeAvatars.ts --out <folder> [--count 3000] [--size 64]
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import cliProgress from 'cli-progress';
import { AVATAR_STYLES } from '../styles.js';
import { AvatarArtist } from './avatars.js';
import { NOT_OF_CLASS, type Picture, writeDataset } from './dataset.js';
import { sheetPng } from './sheet.js';

/** Pictures of each style in the sheet. */
const SHEET = 8;

const { values: flags } = parseArgs({
  options: {
    out: { type: 'string' },
    count: { type: 'string', default: '3000' },
    size: { type: 'string', default: '64' },
  },
});
const [count, size] = [Number(flags.count), Number(flags.size)];
if (flags.out === undefined || !(Number.isInteger(count) && Number.isInteger(size) && size > 0)) {
  console.error('makeAvatars wants --out, and whole numbers for --count and --size.');
  process.exit(2);
}

const artists = AVATAR_STYLES.map((style) => new AvatarArtist(style));
const heads = artists.flatMap(({ attributes }, label) =>
  attributes.map(({ component, values }) => ({ label, name: component, values })),
);
const info = {
  count: count * artists.length,
  size,
  classes: AVATAR_STYLES,
  attributes: heads,
  about: artists.map(({ licence }) => licence),
};
const bar = new cliProgress.SingleBar({ format: 'draw [{bar}] {value}/{total}' });
const sheet: Uint8Array[] = [];
bar.start(info.count, 0);
await writeDataset(flags.out, info, drawAll());
bar.stop();
await mkdir(flags.out, { recursive: true });
await writeFile(join(flags.out, 'sheet.png'), sheetPng(sheet, size, 2 * SHEET));

function* drawAll(): Generator<Picture> {
  for (const [label, artist] of artists.entries()) {
    for (let i = 0; i < count; i++) {
      const { pixels, attributes } = artist.draw(`${artist.name}:${i}`, size);
      const own = attributes.values();
      yield {
        pixels,
        label,
        heldOut: i >= Math.floor(0.9 * count),
        attributes: heads.map((head) => (head.label === label ? own.next().value! : NOT_OF_CLASS)),
      };
      if (i < SHEET) sheet.push(pixels);
      bar.increment();
    }
  }
}
