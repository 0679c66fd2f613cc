import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Command } from 'commander';
import type { CheckpointSource } from '../../load/source/open.js';
import { checkpointFiles } from '../../node/checkpointFiles.js';
import { readInteger } from './values.js';

/** What a published checkpoint leaves open: see the options of `loadCheckpoint`. */
export interface SizeFlags {
  readonly height?: number;
  readonly width?: number;
  readonly textTokens?: number;
}

/** Files of weights that are no tfjs model; pickles too, which are refused with a way out. */
const WEIGHTS = /\.(safetensors(\.index\.json)?|pt|pth|ckpt|bin)$/;

export function withSizes(command: Command): Command {
  return command
    .option('--height <cells>', 'of latents, for a checkpoint', readInteger(1))
    .option('--width <cells>', 'of latents, for a checkpoint', readInteger(1))
    .option('--text-tokens <n>', 'length of the text, for a checkpoint', readInteger(1));
}

/** Those sizes that were given. */
export function sizesOf({ height, width, textTokens }: SizeFlags): SizeFlags {
  return {
    ...(height === undefined ? {} : { height }),
    ...(width === undefined ? {} : { width }),
    ...(textTokens === undefined ? {} : { textTokens }),
  };
}

/** A published checkpoint at a path or URL; null for what is a model of tfjs, or nothing. */
export async function checkpointAt(source: string): Promise<CheckpointSource | null> {
  if (/^https?:\/\//.test(source)) {
    return WEIGHTS.test(new URL(source).pathname) ? source : null;
  }
  if (WEIGHTS.test(source)) return checkpointFiles(source);
  const names = await namesIn(source);
  const isModel = names.includes('model.json') || basename(source) === 'model.json';
  return !isModel && names.some((name) => WEIGHTS.test(name)) ? checkpointFiles(source) : null;
}

/** Bytes of the files that a model lies among; 0 where it is not on this disk. */
export async function bytesOnDisk(source: string): Promise<number> {
  const isFile = (await stat(source).catch(() => null))?.isFile() ?? false;
  const folder = isFile ? dirname(source) : source;
  const sizes = (await namesIn(folder)).map(async (name) => {
    const found = await stat(join(folder, name)).catch(() => null);
    return found?.isFile() ? found.size : 0;
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
