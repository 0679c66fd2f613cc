import { mkdir, mkdtemp, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { describe, HadaNormError } from '../../ops/numerics/errors.js';

/** Files by path within a folder, each asked for once. */
type WholeFiles =
  | Iterable<readonly [string, Uint8Array]>
  | AsyncIterable<readonly [string, Uint8Array]>;

/**
 * Writes files into a folder, each whole or not at all: the bytes go to a folder beside them first,
 * and are moved to their names once all are on disk. What is there stays until then.
 *
 * @param files Moved in their order.
 * @param signal Ends it before anything is moved.
 * @throws HadaNormError with the reason as its `cause`; nothing is left of what was written then,
 * nor of folders that were made for it. What the signal gave, where it is aborted, and errors of
 * this package that making a file threw.
 */
export async function writeWhole(
  folder: string,
  files: WholeFiles,
  signal?: AbortSignal,
): Promise<void> {
  const made: string[] = [];
  try {
    await makeFolders(folder, made);
    // in the folder itself: a rename must not cross file systems
    const aside = await mkdtemp(join(folder, ASIDE));
    try {
      await writeAside(folder, aside, files, signal);
    } finally {
      await rm(aside, { recursive: true, force: true });
    }
  } catch (cause) {
    // those that hold something now stay
    for (const path of made.reverse()) await rmdir(path).catch(() => undefined);
    if (signal?.aborted || cause instanceof HadaNormError) throw cause;
    throw unwritable(folder, cause);
  }
}

const ASIDE = '.saving-';

async function writeAside(
  folder: string,
  aside: string,
  files: WholeFiles,
  signal: AbortSignal | undefined,
): Promise<void> {
  const names: string[] = [];
  for await (const [name, bytes] of files) {
    names.push(name);
    await mkdir(dirname(join(aside, name)), { recursive: true });
    await writeFile(join(aside, name), bytes, { signal });
  }
  for (const name of names) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await rename(join(aside, name), join(folder, name));
  }
}

/**
 * Tries whether a folder, there or not, can be written, and leaves nothing: before long work.
 * @throws HadaNormError where it cannot.
 */
export async function checkWritable(folder: string): Promise<void> {
  try {
    let there = resolve(folder);
    while (!(await isThere(there))) there = dirname(there);
    await rmdir(await mkdtemp(join(there, ASIDE)));
  } catch (cause) {
    throw unwritable(folder, cause);
  }
}

/**
 * Makes a folder and those above it, and adds to `made` what was not there, from the top. By hand:
 * Node's own never returns where a folder is there and takes none, as /proc.
 */
async function makeFolders(folder: string, made: string[]): Promise<void> {
  const missing: string[] = [];
  for (let at = resolve(folder); !(await isThere(at)); at = dirname(at)) missing.unshift(at);
  for (const path of missing) {
    try {
      await mkdir(path);
      made.push(path);
    } catch (error) {
      // another process may have made it meanwhile
      if (!(await isThere(path))) throw error;
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  // what has nothing above it is not looked for further
  if (dirname(path) === path) return true;
  return stat(path).then(
    () => true,
    () => false,
  );
}

function unwritable(folder: string, cause: unknown): HadaNormError {
  const words = cause instanceof Error ? cause.message : describe(cause);
  const wayOut = 'Choose a folder that can be written.';
  const problem = `${resolve(folder)} cannot be written: ${words}. ${wayOut}`;
  return Object.assign(new HadaNormError('fileSystem.save', problem), { cause });
}
