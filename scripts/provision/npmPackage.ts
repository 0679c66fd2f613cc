import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './context.js';
import { run } from './run.js';

const LIMIT_MS = 5 * 60 * 1000;

/** Where the files of a package are that `fetchPackage` fetched. */
export function packageFolder(name: string, version: string): string {
  return join(cacheFolder(), `${name}-${version}`, 'package');
}

/**
 * Fetches a package that is no dependency of the project into the cache, without running scripts of
 * its own.
 * @param arrange Called with its files before they are in their place.
 * @returns What went wrong; null where it is there.
 */
export async function fetchPackage(
  name: string,
  version: string,
  log: (line: string) => void,
  arrange: (folder: string) => void = () => {},
): Promise<string | null> {
  const folder = join(cacheFolder(), `${name}-${version}`);
  const staging = `${folder}-${process.pid}`;
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  log(`Fetching ${name}@${version}`);
  try {
    const options = { timeoutMs: LIMIT_MS, signal: undefined, onLine: () => undefined };
    const to = ['--pack-destination', staging];
    const packed = await run('npm', ['pack', `${name}@${version}`, ...to], options);
    if (!packed.ok) return `npm pack: ${packed.problem}`;
    const archive = join(staging, `${name}-${version}.tgz`);
    const unpacked = await run('tar', ['xzf', archive, '-C', staging], options);
    if (!unpacked.ok) return `tar: ${unpacked.problem}`;
    rmSync(archive);
    arrange(join(staging, 'package'));
    rmSync(folder, { recursive: true, force: true });
    renameSync(staging, folder);
    return null;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}
