import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Writes files into a folder, each whole or not at all: the bytes go to a folder beside them first,
 * and are moved to their names once all are on disk. What is there stays until then.
 *
 * @param files By path within the folder; moved in their order.
 * @param signal Ends it before anything is moved.
 * @throws Error of `node:fs`; nothing is left of what was written then.
 */
export async function writeWhole(
  folder: string,
  files: ReadonlyMap<string, Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  // in the folder itself: a rename must not cross file systems
  const aside = await mkdtemp(join(folder, '.saving-'));
  try {
    for (const [name, bytes] of files) {
      await mkdir(dirname(join(aside, name)), { recursive: true });
      await writeFile(join(aside, name), bytes, { signal });
    }
    for (const name of files.keys()) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await rename(join(aside, name), join(folder, name));
    }
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
