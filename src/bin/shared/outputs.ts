import { access, readdir } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { HadaNormError } from '../../../ops/numerics/errors.js';
import { writeWhole } from '../../node/wholeFiles.js';

/** @throws HadaNormError for a place where something is, unless it may be overwritten. */
export async function checkFree(path: string, force: boolean | undefined): Promise<void> {
  if (force || !(await isThere(path))) return;
  throw new HadaNormError('--out', `${path} is there. Add --force to overwrite it.`);
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).length > 0;
  } catch {
    // no folder
  }
  return access(path).then(
    () => true,
    () => false,
  );
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
