import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HadaNormError } from '../../src/index.js';

/** What dataset.json says. */
export interface DatasetInfo {
  /** Pictures. */
  readonly count: number;
  /** Height and width. */
  readonly size: number;
  /** Names by label. */
  readonly classes: readonly string[];
  /** Heads of attributes.u8, in order; each is of one class. */
  readonly attributes: readonly {
    readonly label: number;
    readonly name: string;
    readonly values: readonly string[];
  }[];
  /** Where the pictures come from, and under what licence. */
  readonly about: unknown;
}

/** One picture of a dataset. */
export interface Picture {
  /** RGB, u8 [size, size, 3]. */
  readonly pixels: Uint8Array;
  readonly label: number;
  /** Whether it is kept from training. */
  readonly heldOut: boolean;
  /** For each head of `DatasetInfo.attributes` its value, or `NOT_OF_CLASS`. */
  readonly attributes: readonly number[];
}

/** Of an attribute that the picture's class does not have. */
export const NOT_OF_CLASS = 255;

/** The files of a dataset, and how many bytes of them a picture has. */
const FILES = ['images.u8', 'labels.u8', 'heldOut.u8', 'attributes.u8'] as const;

/**
 * Writes a dataset into a folder: dataset.json and images.u8 [count, size, size, 3], labels.u8 [count], heldOut.u8
 * [count] and attributes.u8 [count, heads].
 *
 * @throws HadaNormError when there are not `info.count` pictures.
 */
export async function writeDataset(
  folder: string,
  info: DatasetInfo,
  pictures: Iterable<Picture>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const files = new Map<(typeof FILES)[number], Uint8Array>(
    FILES.map((name) => [name, new Uint8Array(info.count * bytesOf(name, info))]),
  );
  let at = 0;
  for (const { pixels, label, heldOut, attributes } of pictures) {
    if (at === info.count) throw countError(`more than ${info.count}`, info);
    const parts = [pixels, [label], [heldOut ? 1 : 0], attributes];
    FILES.forEach((name, i) => {
      files.get(name)!.set(parts[i]!, at * bytesOf(name, info));
    });
    at++;
  }
  if (at !== info.count) throw countError(at, info);
  for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
  await writeFile(join(folder, 'dataset.json'), `${JSON.stringify(info, null, 1)}\n`);
}

/** Reads what `writeDataset` wrote. @throws HadaNormError when a file is of another length than dataset.json says. */
export async function readDataset(
  folder: string,
): Promise<{ readonly info: DatasetInfo; readonly pictures: readonly Picture[] }> {
  const info: DatasetInfo = JSON.parse(await readFile(join(folder, 'dataset.json'), 'utf8'));
  const [images, labels, heldOut, attributes] = await Promise.all(
    FILES.map(async (name) => {
      const bytes = await readFile(join(folder, name));
      const wanted = info.count * bytesOf(name, info);
      if (bytes.length === wanted) return bytes;
      const what = `${name} of ${folder} holds ${bytes.length} bytes, not ${wanted}`;
      throw new HadaNormError('readDataset', `${what}; write the dataset again.`);
    }),
  );
  const cut = (bytes: Uint8Array, i: number, length: number) =>
    bytes.subarray(i * length, (i + 1) * length);
  const pictures = Array.from({ length: info.count }, (_, i) => ({
    pixels: cut(images!, i, bytesOf('images.u8', info)),
    label: labels![i]!,
    heldOut: heldOut![i] === 1,
    attributes: [...cut(attributes!, i, info.attributes.length)],
  }));
  return { info, pictures };
}

function bytesOf(name: (typeof FILES)[number], { size, attributes }: DatasetInfo): number {
  if (name === 'images.u8') return 3 * size * size;
  return name === 'attributes.u8' ? attributes.length : 1;
}

function countError(got: number | string, { count }: DatasetInfo): HadaNormError {
  return new HadaNormError('writeDataset', `wants ${count} pictures, got ${got}.`);
}
