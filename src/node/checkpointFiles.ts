import { open, readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { CheckpointError, failed } from '../load/base/errors.js';
import type { ByteFile, ByteFiles } from '../load/source/byteFiles.js';

/**
 * A checkpoint's folder on disk, for `loadCheckpoint`, in Node, Bun and Deno: `config.json` and
 * `.safetensors`, in one file or in several with their `.index.json`. Files are read in parts.
 *
 * @param path The folder, or one `.safetensors` or `.index.json` in it: a path or a `file:` URL.
 * @throws InvalidArgumentError for what is no path. CheckpointError when it is read and not there.
 */
export function checkpointFiles(path: string | URL): ByteFiles {
  const given = pathOf(path);
  const isFile = /\.(safetensors|json|pt|pth|ckpt|bin)$/.test(given);
  const folder = isFile ? dirname(given) : given;
  return {
    place: folder,
    list: async () => {
      if (isFile) return [basename(given)];
      try {
        return await readdir(folder);
      } catch (error) {
        throw failed('checkpointFiles', 'the folder cannot be read', error);
      }
    },
    open: (name) => opened(join(folder, name)),
  };
}

function pathOf(path: string | URL): string {
  if (path instanceof URL || (typeof path === 'string' && path.startsWith('file:'))) {
    return fileURLToPath(path);
  }
  if (typeof path === 'string' && path !== '') return resolve(path);
  const wanted = 'the path or file: URL of a folder or file';
  throw new InvalidArgumentError('checkpointFiles', 'path', wanted, describe(path));
}

async function opened(file: string): Promise<ByteFile | null> {
  try {
    const handle = await open(file);
    const { size } = await handle.stat();
    return {
      size,
      anywhere: true,
      read: async (begin, end) => {
        const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - begin));
        let at = 0;
        while (at < bytes.length) {
          const { bytesRead } = await handle.read(bytes, at, bytes.length - at, begin + at);
          if (bytesRead === 0) throw new CheckpointError('checkpointFiles', `${file} was cut off.`);
          at += bytesRead;
        }
        return bytes;
      },
      idle: async () => {},
      close: () => handle.close(),
    };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw failed('checkpointFiles', `${file} cannot be read`, error);
  }
}
