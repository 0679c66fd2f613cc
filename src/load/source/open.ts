import { describe, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { CheckpointError } from '../base/errors.js';
import { blobFiles } from './blobFiles.js';
import type { ByteFiles } from './byteFiles.js';
import { httpFiles } from './httpFiles.js';

/**
 * Where a checkpoint is: the URL of its folder or of its file, the files that a page was given, or
 * `checkpointFiles(folder)` of `tfjs-hadanorm/node`.
 */
export type CheckpointSource = string | URL | File | Iterable<File> | ByteFiles;

/** Files, and which of them holds the weights where the caller said so. */
export interface Source {
  readonly files: ByteFiles;
  /** A `.safetensors` or its `.index.json`; null: whichever there is. */
  readonly weights: string | null;
}

const WANTED =
  'the http(s) URL of a folder or .safetensors file, Files, or checkpointFiles(folder) of /node';

/** @throws InvalidArgumentError for anything but a source; CheckpointError for pickled weights. */
export function openSource(op: string, source: unknown): Source {
  if (typeof source === 'string' || source instanceof URL) return ofUrl(op, source);
  if (isFile(source)) return ofFiles(op, [source]);
  if (isByteFiles(source)) return { files: source, weights: null };
  if (source !== null && typeof source === 'object' && Symbol.iterator in source) {
    const files: unknown[] = [...(source as Iterable<unknown>)];
    if (files.length > 0 && files.every(isFile)) return ofFiles(op, files);
  }
  throw new InvalidArgumentError(op, 'source', WANTED, describe(source));
}

/** A `.pt` and the like are programs that would have to be run. */
export function checkNoPickle(op: string, names: readonly string[]): void {
  const pickled = names.find((name) => /\.(pt|pth|bin|ckpt|pkl)$/i.test(name));
  if (pickled === undefined) return;
  const out = pickled.replace(/\.\w+$/, '.safetensors');
  const code =
    `import torch; from safetensors.torch import save_file; ` +
    `s = torch.load('${pickled}', map_location='cpu', weights_only=True); ` +
    `save_file({k: v.contiguous() for k, v in s.items()}, '${out}')`;
  const problem = `${pickled} is a pickle, a program that is not run here.`;
  throw new CheckpointError(op, `${problem} Convert it: python -c "${code}"`);
}

function ofUrl(op: string, source: string | URL): Source {
  const text = `${source}`;
  if (!/^https?:/.test(text)) {
    const wayOut = 'A folder on disk is checkpointFiles(folder) of tfjs-hadanorm/node.';
    throw new InvalidArgumentError(op, 'source', WANTED, describe(text), wayOut);
  }
  const { origin, pathname, search } = new URL(text);
  const isFolder = !/\.\w+$/.test(pathname);
  const name = isFolder ? '' : pathname.slice(pathname.lastIndexOf('/') + 1);
  const folder = pathname.slice(0, pathname.length - name.length);
  if (!isFolder) checkNoPickle(op, [name]);
  const base = `${origin}${folder.endsWith('/') ? folder : `${folder}/`}`;
  const weights = name === '' || name === 'config.json' ? null : decodeURIComponent(name);
  return { files: httpFiles(op, base, search), weights };
}

function ofFiles(op: string, files: readonly File[]): Source {
  const names = files.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    const wayOut = 'Give those of one folder, such as transformer/.';
    throw new InvalidArgumentError(op, 'source', 'files of different names', twice, wayOut);
  }
  return { files: blobFiles(files), weights: null };
}

function isFile(value: unknown): value is File {
  return value instanceof Blob && 'name' in value;
}

function isByteFiles(value: unknown): value is ByteFiles {
  return value !== null && typeof value === 'object' && 'list' in value && 'open' in value;
}
