/**
 * Draws the avatars that the models learn: 16 CC0 styles of DiceBear, the last tenth of each kept
 * from training.
 *
 * Run: npx tsx models/research/training/makeAvatars.ts --out <folder> [--count 3000] [--size 64]
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import cliProgress from 'cli-progress';
import { AVATAR_STYLES } from '../../classNames.js';
import { sheetPng } from '../../sheetPng.js';
import { avatarDataset } from './avatarDataset.js';
import { AvatarArtist } from './avatars.js';
import { type Picture, writeDataset } from './dataset.js';

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
const whole = [count, size].every((value) => Number.isInteger(value) && value > 0);
if (flags.out === undefined || !whole) {
  console.error('makeAvatars wants --out, and whole numbers ≥ 1 for --count and --size.');
  process.exit(2);
}

const artists = AVATAR_STYLES.map((style) => new AvatarArtist(style));
const { info, draw } = avatarDataset(artists, count, size);
const bar = new cliProgress.SingleBar({ format: 'draw [{bar}] {value}/{total}' });
const sheet: Uint8Array[] = [];
bar.start(info.count, 0);
await writeDataset(flags.out, info, watched());
bar.stop();
await writeFile(join(flags.out, 'sheet.png'), sheetPng(sheet, size, 2 * SHEET));

/** The pictures, with the first of each style kept for the sheet. */
function* watched(): Generator<Picture> {
  let drawn = 0;
  for (const picture of draw()) {
    if (drawn++ % count < SHEET) sheet.push(picture.pixels);
    bar.increment();
    yield picture;
  }
}
