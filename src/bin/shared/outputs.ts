import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { HadaNormError } from '../../../ops/numerics/errors.js';
import { checkWritable, writeWhole } from '../../node/wholeFiles.js';

/** What a command writes. */
export type OutputKind = 'file' | 'folder';

/**
 * Before long work: whether what it gives can be written.
 * @throws HadaNormError for a place where something is, unless it may be overwritten; for a file
 * where a folder is to be, or the reverse; for a place that cannot be written.
 */
export async function checkFree(
  path: string,
  force: boolean | undefined,
  kind: OutputKind,
): Promise<void> {
  const whole = resolve(path);
  const there = await stat(whole).catch(() => null);
  const isFolder = kind === 'folder';
  // neither is a device a file: what is written takes its place
  if (there !== null && !(isFolder ? there.isDirectory() : there.isFile())) {
    const wayOut = `Name another place: a ${kind} is written.`;
    throw new HadaNormError('--out', `${path} is there, and no ${kind}. ${wayOut}`);
  }
  const isFree = there === null || (isFolder && (await readdir(whole)).length === 0);
  if (!force && !isFree) {
    throw new HadaNormError('--out', `${path} is there. Add --force to overwrite it.`);
  }
  await checkWritable(kind === 'folder' ? whole : dirname(whole));
}

/** Writes a file whole or not at all. */
export async function writeFileWhole(
  path: string,
  contents: Uint8Array | string,
  signal: AbortSignal,
): Promise<void> {
  const bytes = typeof contents === 'string' ? new TextEncoder().encode(contents) : contents;
  const whole = resolve(path);
  await writeWhole(dirname(whole), new Map([[basename(whole), bytes]]), signal);
}
