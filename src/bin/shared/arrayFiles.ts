import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import { HadaNormError, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { parseSafetensors } from '../../load/safetensors.js';
import { type FileArray, parseNpy } from './npy.js';

/** What is no file of arrays, but gives them. */
export const MODULES = ['.js', '.mjs', '.cjs'];

/**
 * The arrays of files by their inputs: a .npz and a .safetensors have their names, a .npy is called
 * as its input, or is written NAME=FILE.
 *
 * @param flag Whose files they are, for errors.
 */
export async function arraysOf(
  flag: string,
  files: readonly string[],
  model: Pick<GraphModel, 'inputs'>,
): Promise<Map<string, FileArray>> {
  const arrays = new Map<string, FileArray>();
  for (const file of files) {
    for (const [name, array] of await arraysIn(flag, file, model)) arrays.set(name, array);
  }
  return arrays;
}

async function arraysIn(
  flag: string,
  given: string,
  model: Pick<GraphModel, 'inputs'>,
): Promise<ReadonlyMap<string, FileArray>> {
  const [, name, file = given] = /^([^=/\\]+)=(.+)$/.exec(given) ?? [];
  const bytes = new Uint8Array(await bytesOf(flag, file));
  switch (extname(file)) {
    case '.npy': {
      const only = model.inputs.length === 1 ? model.inputs[0]!.name : basename(file, '.npy');
      return new Map([[name ?? only, parseNpy(bytes, file)]]);
    }
    case '.npz':
      return npzArrays(flag, bytes, file);
    case '.safetensors':
      return parseSafetensors(bytes);
    default: {
      const wanted = `a .npy, .npz or .safetensors file, or a module (${MODULES.join(', ')})`;
      throw new InvalidArgumentError(flag, 'FILE', wanted, file);
    }
  }
}

async function npzArrays(
  flag: string,
  bytes: Uint8Array,
  file: string,
): Promise<Map<string, FileArray>> {
  const { unzipSync } = await import('fflate');
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes);
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : `${cause}`;
    throw new InvalidArgumentError(flag, file, 'an archive of NumPy', got);
  }
  return new Map(
    Object.entries(entries).map(([name, array]) => [
      name.replace(/\.npy$/, ''),
      parseNpy(array, `${file}: ${name}`),
    ]),
  );
}

/** @throws HadaNormError for a file that cannot be read. */
export async function bytesOf(flag: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : `${cause}`;
    throw Object.assign(new HadaNormError(flag, `${file} cannot be read: ${words}`), { cause });
  }
}

/** So many samples of an array, from one of them on. */
export function samplesOf({ shape, values }: FileArray, from: number, to: number): FileArray {
  const each = values.length / shape[0]!;
  return {
    shape: [to - from, ...shape.slice(1)],
    values: values.slice(from * each, to * each),
  };
}
