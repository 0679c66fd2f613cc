import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HadaNormError } from '../../../src/index.js';

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
 * Writes a dataset into a folder: dataset.json and images.u8 [count, size, size, 3], labels.u8
 * [count], heldOut.u8 [count] and attributes.u8 [count, heads].
 *
 * @throws HadaNormError when there are not `info.count` pictures, or one is not as `info` says;
 * nothing is written then.
 */
export async function writeDataset(
  folder: string,
  info: DatasetInfo,
  pictures: Iterable<Picture>,
): Promise<void> {
  const files = new Map<(typeof FILES)[number], Uint8Array>(
    FILES.map((name) => [name, new Uint8Array(info.count * bytesOf(name, info))]),
  );
  let at = 0;
  for (const { pixels, label, heldOut, attributes } of pictures) {
    if (at === info.count) throw countError(`more than ${info.count}`, info);
    const parts = [pixels, [label], [heldOut ? 1 : 0], attributes];
    FILES.forEach((name, i) => {
      const [part, bytes] = [parts[i]!, bytesOf(name, info)];
      if (part.length !== bytes) throw pictureError(at, name, part.length, bytes);
      files.get(name)!.set(part, at * bytes);
    });
    at++;
  }
  if (at !== info.count) throw countError(at, info);
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
  await writeFile(join(folder, 'dataset.json'), `${JSON.stringify(info, null, 1)}\n`);
}

/**
 * Reads what `writeDataset` wrote.
 *
 * @throws HadaNormError when dataset.json is none, or a file is of another length than it says.
 */
export async function readDataset(
  folder: string,
): Promise<{ readonly info: DatasetInfo; readonly pictures: readonly Picture[] }> {
  const info = infoOf(folder, await readFile(join(folder, 'dataset.json'), 'utf8'));
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

/** dataset.json, with what the lengths of the other files hang on checked. */
function infoOf(folder: string, text: string): DatasetInfo {
  const wrong = `dataset.json of ${folder} does not describe a dataset; write the dataset again.`;
  let info: DatasetInfo;
  try {
    info = JSON.parse(text);
  } catch (cause) {
    throw new HadaNormError('readDataset', `${wrong} ${cause}`);
  }
  const sizes = [info?.count, info?.size];
  const right = sizes.every((size) => Number.isInteger(size)) && Array.isArray(info.attributes);
  if (!right) throw new HadaNormError('readDataset', wrong);
  return info;
}

function bytesOf(name: (typeof FILES)[number], { size, attributes }: DatasetInfo): number {
  if (name === 'images.u8') return 3 * size * size;
  return name === 'attributes.u8' ? attributes.length : 1;
}

function pictureError(at: number, name: string, got: number, bytes: number): HadaNormError {
  const what = `picture ${at} has ${got} bytes for ${name}, not ${bytes}`;
  return new HadaNormError('writeDataset', `${what}.`);
}

function countError(got: number | string, { count }: DatasetInfo): HadaNormError {
  return new HadaNormError('writeDataset', `wants ${count} pictures, got ${got}.`);
}
