import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { halfBitsOf } from '../../../ops/numerics/half.js';
import type { Architecture } from '../../../src/load/models/architecture.js';
import { Net } from '../../../src/load/net/net.js';
import type { ByteFile, ByteFiles } from '../../../src/load/source/byteFiles.js';

/** How the numbers are stored. */
export type SeededDtype = 'F32' | 'F16';

/** A checkpoint to be made of a seed: its architecture, and what config.json says. */
export interface SeededCheckpoint {
  readonly architecture: Architecture;
  readonly config: Readonly<Record<string, unknown>>;
  readonly dtype: SeededDtype;
  readonly seed: number;
}

const WEIGHTS = 'diffusion_pytorch_model.safetensors';

/** A tensor of the file, its bytes counted from the end of the header. */
interface Entry {
  readonly shape: readonly number[];
  /** Names its numbers: copies have that of the first. */
  readonly origin: string;
  readonly begin: number;
  readonly end: number;
}

/**
 * A checkpoint in no memory and on no disk: a published model's names and shapes, each tensor's
 * numbers made of their places whenever they are read.
 */
export function seededFiles(given: SeededCheckpoint): ByteFiles {
  const { config } = given;
  const json = new TextEncoder().encode(JSON.stringify(config));
  return {
    place: `seed ${given.seed}`,
    list: async () => ['config.json', WEIGHTS],
    open: async (name) => {
      if (name === 'config.json') return fileOf(json.length, (a, b) => json.subarray(a, b));
      return name === WEIGHTS ? weightsFile(given) : null;
    },
  };
}

/** The same in a folder on disk, written part by part. Returns its bytes. */
export async function writeSeeded(given: SeededCheckpoint, folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(given.config));
  const file = weightsFile(given);
  const handle = await open(join(folder, WEIGHTS), 'w');
  const part = 2 ** 22;
  try {
    for (let at = 0; at < file.size!; at += part) {
      await handle.write(await file.read(at, Math.min(at + part, file.size!)));
    }
  } finally {
    await handle.close();
  }
  return file.size!;
}

function weightsFile(given: SeededCheckpoint): ByteFile {
  const entries = entriesOf(given);
  const listed = [...entries].map(([key, { shape, begin, end }]) => {
    return [key, { dtype: given.dtype, shape, data_offsets: [begin, end] }];
  });
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(listed)));
  const header = new Uint8Array(8 + json.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(json.length), true);
  header.set(json, 8);
  const all = [...entries.values()];
  const size = header.length + all.at(-1)!.end;
  return fileOf(size, (from, to) => {
    const out = new Uint8Array(to - from);
    out.set(header.subarray(from, Math.min(to, header.length)));
    for (const entry of all) {
      const [begin, end] = [header.length + entry.begin, header.length + entry.end];
      const [first, last] = [Math.max(begin, from), Math.min(end, to)];
      if (first >= last) continue;
      const own = bytesOf(given, entry, first - begin, last - begin);
      // most reads are of one tensor, which may have hundreds of megabytes
      if (own.length === to - from) return own;
      out.set(own, first - from);
    }
    return out;
  });
}

function fileOf(size: number, read: (from: number, to: number) => Uint8Array): ByteFile {
  return {
    size,
    anywhere: true,
    read: async (begin, end) => read(begin, Math.max(Math.min(end, size), begin)),
    idle: async () => {},
    close: async () => {},
  };
}

function entriesOf({ architecture, config, dtype }: SeededCheckpoint): Map<string, Entry> {
  const op = 'seededCheckpoint';
  const net = new Net(op, new Map(), false);
  architecture.build(net, config, { height: null, width: null, textTokens: null });
  const lists = architecture.copies?.(op, config) ?? [];
  const origins = new Map(lists.flatMap((names) => names.map((name) => [name, names[0]!])));
  let begin = 0;
  const entries = new Map<string, Entry>();
  for (const { from } of net.needs) {
    const count = from.shape.reduce((product, dim) => product * dim, 1);
    const end = begin + count * (dtype === 'F32' ? 4 : 2);
    const origin = origins.get(from.key) ?? from.key;
    entries.set(from.key, { shape: from.shape, origin, begin, end });
    begin = end;
  }
  return entries;
}

/** Bytes of a tensor, from any place to any place within it. */
function bytesOf(
  { dtype, seed }: SeededCheckpoint,
  { shape, origin }: Entry,
  from: number,
  to: number,
): Uint8Array {
  const width = dtype === 'F32' ? 4 : 2;
  const first = Math.floor(from / width);
  const values = new Float32Array(Math.ceil(to / width) - first);
  fill(values, first, hashOf(origin) ^ seed, spreadOf(origin, shape));
  const stored = dtype === 'F32' ? values : halfBitsOf(values);
  return new Uint8Array(stored.buffer, from - first * width, to - from);
}

/** Mean and standard deviation of a tensor's numbers. */
function spreadOf(key: string, shape: readonly number[]): { mean: number; std: number } {
  if (key.endsWith('embedding_table.weight')) return { mean: 0, std: 0.5 };
  // norms' gains; else biases, some of which make channels that lie apart
  if (shape.length === 1) return { mean: key.endsWith('.weight') ? 1 : 0, std: 0.1 };
  const inputs = shape.slice(1).reduce((product, dim) => product * dim, 1);
  return { mean: 0, std: 1 / Math.sqrt(inputs) };
}

/** Sums of four bytes of a hash of each place: nearly normal, and had without those before it. */
function fill(
  values: Float32Array,
  first: number,
  seed: number,
  { mean, std }: { mean: number; std: number },
): void {
  const factor = std / 147.8;
  for (let i = 0; i < values.length; i++) {
    let x = Math.imul(first + i, 0x9e3779b1) ^ seed;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    x ^= x >>> 16;
    const sum = (x & 255) + ((x >>> 8) & 255) + ((x >>> 16) & 255) + (x >>> 24);
    values[i] = mean + (sum - 510) * factor;
  }
}

function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
