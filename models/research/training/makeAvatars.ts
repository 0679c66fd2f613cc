/**
 * Draws the avatars that the models learn: 16 CC0 styles of DiceBear, the last tenth of each kept
 * from training.
 *
 * Run: npx tsx models/research/training/makeAvatars.ts --out <folder> [--count 3000] [--size 64]
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import cliProgress from 'cli-progress';
import { flag, needed, orExit, readFlags } from '../../../src/cli/flags.js';
import { integer, text } from '../../../src/cli/readers.js';
import { AVATAR_STYLES } from '../../classNames.js';
import { sheetPng } from '../../sheetPng.js';
import { avatarDataset } from './avatarDataset.js';
import { AvatarArtist } from './avatars.js';
import { type Picture, writeDataset } from './dataset.js';

/** Pictures of each style in the sheet. */
const SHEET = 8;

const FLAGS = {
  out: needed(text('FOLDER')),
  count: flag(integer(1), '3000'),
  size: flag(integer(1), '64'),
};
const { out, count, size } = orExit(
  () => readFlags('makeAvatars', FLAGS, process.argv.slice(2)).values,
);

const artists = AVATAR_STYLES.map((style) => new AvatarArtist(style));
const { info, draw } = avatarDataset(artists, count, size);
const bar = new cliProgress.SingleBar({ format: 'draw [{bar}] {value}/{total}' });
const sheet: Uint8Array[] = [];
bar.start(info.count, 0);
await writeDataset(out, info, watched());
bar.stop();
await writeFile(join(out, 'sheet.png'), sheetPng(sheet, size, 2 * SHEET));

/** The pictures, with the first of each style kept for the sheet. */
function* watched(): Generator<Picture> {
  let drawn = 0;
  for (const picture of draw()) {
    if (drawn++ % count < SHEET) sheet.push(picture.pixels);
    bar.increment();
    yield picture;
  }
}
