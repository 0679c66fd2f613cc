import { existsSync } from 'node:fs';
import {
  access,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Context } from './context.js';
import { ProvisionError } from './run.js';

/** The wheel's shared libraries, under the names that they know each other by. */
export const WHEEL_LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];

const STAGING_PREFIX = '.tfjs-node-staging-';
/** Longer than all time limits of one run together: no live run's folder is this old. */
const STALE_MS = 3 * 60 * 60 * 1000;

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** Removes what runs that were killed outright could not: it can be more than a gigabyte. */
async function sweepStale(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(STAGING_PREFIX)) continue;
    const found = await stat(join(parent, name)).catch(() => undefined);
    if (found === undefined || Date.now() - found.mtimeMs < STALE_MS) continue;
    await rm(join(parent, name), { recursive: true, force: true });
  }
}

async function makeStaging(parent: string, hint: string): Promise<string> {
  try {
    await mkdir(parent, { recursive: true });
    await sweepStale(parent);
    return await mkdtemp(join(parent, STAGING_PREFIX));
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new ProvisionError(`cannot write to ${parent} (${detail})${hint}`);
  }
}

/**
 * Lends a folder beside the place that its content will go to, so that a rename can put it there
 * whole, and removes the folder afterwards, whatever happened. npm ignores its dotted name.
 */
export async function withStaging<T>(
  parent: string,
  work: (staging: string) => Promise<T>,
  hint = '',
): Promise<T> {
  const staging = await makeStaging(parent, hint);
  try {
    return await work(staging);
  } finally {
    await rm(staging, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function moveAside(path: string, staging: string): Promise<void> {
  try {
    await rename(path, join(staging, `old-${basename(path)}`));
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/** A run beside this one may have put its own, equally good result in place first. */
async function moveInto(source: string, target: string): Promise<void> {
  try {
    await rename(source, target);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes(errorCode(error) ?? '')) throw error;
  }
}

/** Puts `lib` and `deps` made in a staging folder beside the package into it. */
export async function putIntoPackage(
  context: Context,
  made: string,
  staging: string,
): Promise<void> {
  const { packageDir } = context;
  await moveAside(join(packageDir, 'lib'), staging);
  await moveAside(join(packageDir, 'deps'), staging);
  // The binding is in lib: coming last, it is never there without what it needs.
  await moveInto(join(made, 'deps'), join(packageDir, 'deps'));
  await moveInto(join(made, 'lib'), join(packageDir, 'lib'));
}

export async function removeFromPackage(context: Context): Promise<void> {
  await rm(join(context.packageDir, 'lib'), { recursive: true, force: true });
  await rm(join(context.packageDir, 'deps'), { recursive: true, force: true });
}

/** Puts a finished entry into the cache, in place of one that turned out not to work. */
export async function putIntoCache(context: Context, made: string, staging: string): Promise<void> {
  await moveAside(context.cacheEntry, staging);
  await moveInto(made, context.cacheEntry);
}

async function assertWholeEntry(context: Context): Promise<void> {
  if (!existsSync(context.cacheEntry)) throw new ProvisionError('it is empty for these versions');
  const files = [context.bindingPath, ...WHEEL_LIBRARIES.map((name) => join('deps', 'lib', name))];
  for (const file of files) {
    const path = join(context.cacheEntry, file);
    await access(path).catch(() => {
      throw new ProvisionError(`it lacks ${path}`);
    });
  }
}

/**
 * Links the cache entry's libraries into the package. The binding is copied: Node resolves links
 * before it loads a binding, and would then look for the libraries beside the cached one.
 *
 * libtensorflow.so.<version>, the name that the package's install script checks for, is left out
 * on purpose: with it, a later `npm rebuild` would pair these libraries with a binding built for
 * others.
 */
export async function installFromCache(context: Context): Promise<void> {
  await assertWholeEntry(context);
  const { cacheEntry, bindingPath } = context;
  await withStaging(dirname(context.packageDir), async (staging) => {
    await mkdir(join(staging, 'deps', 'lib'), { recursive: true });
    for (const name of WHEEL_LIBRARIES) {
      const library = join('deps', 'lib', name);
      await symlink(join(cacheEntry, library), join(staging, library));
    }
    await mkdir(join(staging, dirname(bindingPath)), { recursive: true });
    await copyFile(join(cacheEntry, bindingPath), join(staging, bindingPath));
    await putIntoPackage(context, staging, staging);
  });
}
