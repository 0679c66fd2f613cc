import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { PNG } from 'pngjs';
import { AVATAR_STYLES } from '../../../../models/classNames.js';
import { avatarDataset } from '../../../../models/research/training/avatarDataset.js';
import {
  AvatarArtist,
  LICENCE,
  styleDefinition,
} from '../../../../models/research/training/avatars.js';
import {
  type DatasetInfo,
  NOT_OF_CLASS,
  type Picture,
  readDataset,
  writeDataset,
} from '../../../../models/research/training/dataset.js';
import { sheetPng } from '../../../../models/sheetPng.js';
import { ROOT } from '../../../../scripts/process.js';
import { HadaNormError } from '../../../../src/index.js';
import { runNode } from '../../../harness/run/child.js';
import { rejection } from '../../../harness/run/rejection.js';

describe('Avatars that models learn', () => {
  const artists = AVATAR_STYLES.map((style) => new AvatarArtist(style));

  it('are drawn the same for a seed, and otherwise for another', () => {
    for (const style of ['landscape', 'thumbs'] as const) {
      const first = new AvatarArtist(style).draw('a', 16);
      expect(first.pixels.length).to.equal(16 * 16 * 3);
      expect(new AvatarArtist(style).draw('a', 16)).to.deep.equal(first);
      expect(new AvatarArtist(style).draw('b', 16).pixels).not.to.deep.equal(first.pixels);
    }
  });

  it('are of no style with another licence than CC0', () => {
    const definition = styleDefinition('planets');
    const { meta } = definition;
    const bought = { ...meta, license: { ...meta.license, name: 'CC BY 4.0' } };
    const hire = () => new AvatarArtist('planets', { ...definition, meta: bought });
    expect(hire).to.throw(HadaNormError, `planets is licensed CC BY 4.0, not ${LICENCE}.`);
    expect(() => new AvatarArtist('planets', definition)).not.to.throw();
  });

  it('have the licences, creators and sources that the table of the README says', () => {
    const readme = readFileSync(join(ROOT, 'models', 'research', 'training', 'README.md'), 'utf8');
    const rows = [...readme.matchAll(/^\| +\d+ \|.*\|$/gm)].map(([row]) => row);
    const expected = artists.map(({ licence }, label) => {
      const { style, licence: name, licenceUrl, creator, source } = licence;
      return `| ${label} | ${style} | [${name}](${licenceUrl}) | ${creator} | ${source} |`;
    });
    expect(rows).to.deep.equal(expected);
  });

  it('have a value for each attribute of their style, and none for those of others', () => {
    const { info, draw } = avatarDataset(artists, 1, 8);
    expect(info.count).to.equal(16);
    expect(info.attributes.length).to.equal(83);
    for (const { label, attributes } of draw()) {
      expect(attributes.length).to.equal(info.attributes.length);
      info.attributes.forEach((head, i) => {
        if (head.label === label) expect(attributes[i]).to.be.within(0, head.values.length - 1);
        else expect(attributes[i]).to.equal(NOT_OF_CLASS);
      });
      const own = info.attributes.filter((head) => head.label === label);
      expect(own.length).to.equal(artists[label]!.attributes.length);
    }
  });

  it('makeAvatars.ts writes some of each style, and a sheet of them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'avatars-'));
    const script = join('models', 'research', 'training', 'makeAvatars.ts');
    const flags = ['--count', '2', '--size', '8', '--out', folder];
    runNode(['--import', 'tsx', script, ...flags]);
    const { info, pictures } = await readDataset(folder);
    expect(info.classes).to.deep.equal([...AVATAR_STYLES]);
    expect(pictures.map(({ label }) => label)).to.deep.equal(
      AVATAR_STYLES.flatMap((_, label) => [label, label]),
    );
    expect([...pictures[3]!.pixels]).to.deep.equal([...artists[1]!.draw('landscape:1', 8).pixels]);
    const sheet = PNG.sync.read(readFileSync(join(folder, 'sheet.png')));
    expect([sheet.width, sheet.height]).to.deep.equal([16 * 8, 2 * 8]);
    rmSync(folder, { recursive: true });
  });
});

describe('Datasets', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dataset-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const drawings = () =>
    avatarDataset([new AvatarArtist('moods'), new AvatarArtist('clay')], 10, 4);

  it('are read as they were written, the last tenth of each style held out', async () => {
    const { info, draw } = drawings();
    await writeDataset(folder, info, draw());
    const read = await readDataset(folder);
    expect(read.info).to.deep.equal(JSON.parse(JSON.stringify(info)));
    const plain = (picture: Picture) => ({ ...picture, pixels: [...picture.pixels] });
    expect(read.pictures.map(plain)).to.deep.equal([...draw()].map(plain));
    const heldOut = read.pictures.flatMap((picture, i) => (picture.heldOut ? [i] : []));
    expect(heldOut).to.deep.equal([9, 19]);
  });

  it('are not written unless pictures are as many, and as large, as was said', async () => {
    const info: DatasetInfo = { count: 2, size: 1, classes: ['a'], attributes: [], about: null };
    const picture = { pixels: Uint8Array.of(1, 2, 3), label: 0, heldOut: false, attributes: [] };
    const wrong: readonly (readonly [readonly Picture[], string])[] = [
      [[picture], 'wants 2 pictures, got 1.'],
      [[picture, picture, picture], 'wants 2 pictures, got more than 2.'],
      [[picture, { ...picture, pixels: Uint8Array.of(1) }], 'picture 1 has 1 bytes for images.u8'],
      [[{ ...picture, attributes: [0] }], 'picture 0 has 1 bytes for attributes.u8, not 0.'],
    ];
    for (const [pictures, message] of wrong) {
      const error = await rejection(writeDataset(join(folder, 'new'), info, pictures));
      expect(error).to.be.instanceOf(HadaNormError);
      expect(error.message).to.include(message);
      expect(existsSync(join(folder, 'new'))).to.equal(false);
    }
  });

  it('that are damaged say which file, and what to do', async () => {
    const { info, draw } = drawings();
    const damage: readonly (readonly [string, (file: string) => void, string])[] = [
      ['images.u8', (file) => truncateSync(file, 959), 'holds 959 bytes, not 960'],
      ['labels.u8', (file) => writeFileSync(file, new Uint8Array(21)), 'holds 21 bytes, not 20'],
      ['dataset.json', (file) => truncateSync(file, 20), 'does not describe a dataset'],
      ['dataset.json', (file) => writeFileSync(file, '{"count":20}'), 'does not describe'],
      ['dataset.json', (file) => writeFileSync(file, 'null'), 'does not describe a dataset'],
    ];
    for (const [name, change, message] of damage) {
      await writeDataset(folder, info, draw());
      change(join(folder, name));
      const error = await rejection(readDataset(folder));
      expect(error).to.be.instanceOf(HadaNormError);
      expect(error.message).to.include(`readDataset: ${name} of ${folder} ${message}`);
      expect(error.message).to.include('write the dataset again.');
    }
  });

  it('a sheet shows pictures from left to right, row by row, on white', () => {
    const pictures = [10, 20, 30].map((value) => new Uint8Array(12).fill(value));
    const { width, height, data } = PNG.sync.read(sheetPng(pictures, 2, 2));
    expect([width, height]).to.deep.equal([4, 4]);
    const reds = Array.from({ length: 16 }, (_, i) => data[4 * i]);
    expect(reds).to.deep.equal([
      10, 10, 20, 20, 10, 10, 20, 20, 30, 30, 255, 255, 30, 30, 255, 255,
    ]);
  });
});
