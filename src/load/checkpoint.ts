import { throwIfAborted } from '../../ops/common/callers.js';
import { readString, recordOf } from '../../ops/common/readers.js';
import type { Floats } from '../../ops/numerics/bytes.js';
import { HadaNormError } from '../../ops/numerics/errors.js';
import { CheckpointError, failed } from './base/errors.js';
import { cutHeader, type Entry, entriesOf, headerBytesOf, widened } from './safetensorsHeader.js';
import { type ByteFile, wholeFile } from './source/byteFiles.js';
import { checkNoPickle, type Source } from './source/open.js';

const INDEX = '.safetensors.index.json';

/** As diffusers' `save_pretrained` calls them, the sharded one first. */
const USUAL = [`diffusion_pytorch_model${INDEX}`, 'diffusion_pytorch_model.safetensors'];

/** A tensor, and the file that holds it. */
interface Placed extends Entry {
  readonly file: OpenFile;
}

interface OpenFile {
  readonly name: string;
  readonly bytes: ByteFile;
  /** Where the data begins. */
  readonly start: number;
}

/** A checkpoint whose headers were read, and of whose tensors none is. */
export class Checkpoint {
  private last: OpenFile | null = null;

  private constructor(
    private readonly op: string,
    /** config.json; null where there is none. */
    readonly config: Readonly<Record<string, unknown>> | null,
    private readonly tensors: ReadonlyMap<string, Placed>,
    private readonly files: readonly OpenFile[],
    private readonly signal: AbortSignal | null,
  ) {}

  /** @throws CheckpointError for files that are missing or broken. */
  static async open(op: string, source: Source, signal: AbortSignal | null): Promise<Checkpoint> {
    const files: OpenFile[] = [];
    try {
      const config = await jsonOf(op, source, 'config.json', signal);
      const tensors = new Map<string, Placed>();
      for (const name of await weightFiles(op, source, signal)) {
        throwIfAborted(op, signal);
        const { file, entries } = await opened(op, source, name, signal);
        await files.at(-1)?.bytes.idle();
        files.push(file);
        for (const entry of entries) {
          if (tensors.has(entry.name)) {
            const problem = `${name} has ${entry.name} again, which another file has.`;
            throw new CheckpointError(op, problem, entry.name);
          }
          tensors.set(entry.name, { ...entry, file });
        }
      }
      return new Checkpoint(op, config, tensors, files, signal);
    } catch (error) {
      await closed(files);
      throw error;
    }
  }

  /** The shapes of all tensors, by name, in the order in which they are read best. */
  get shapes(): ReadonlyMap<string, readonly number[]> {
    const order = (name: string) => this.files.indexOf(this.tensors.get(name)!.file);
    const names = [...this.tensors.values()]
      .sort((a, b) => order(a.name) - order(b.name) || a.begin - b.begin)
      .map(({ name }) => name);
    return new Map(names.map((name) => [name, this.tensors.get(name)!.shape]));
  }

  /** Whether tensors are read in any order without reading the files anew. */
  get readsAnywhere(): boolean {
    return this.files.every(({ bytes }) => bytes.anywhere);
  }

  /** The values of a tensor in float32. */
  async read(name: string): Promise<Floats> {
    const { file, begin, end, ...entry } = this.tensors.get(name)!;
    if (file !== this.last) await this.last?.bytes.idle();
    this.last = file;
    const bytes = await file.bytes.read(file.start + begin, file.start + end);
    if (bytes.length < end - begin) {
      const problem = `${file.name} ends within ${name}. Get it again.`;
      throw new CheckpointError(this.op, problem, name);
    }
    return widened({ ...entry, begin, end }, bytes);
  }

  /**
   * Whether all tensors of each list hold the same; false where finding out would mean to read the
   * files twice.
   */
  async areCopies(op: string, lists: readonly (readonly string[])[]): Promise<boolean> {
    const all = lists.flat().map((name) => this.tensors.get(name));
    if (!all.every((one) => one?.file.bytes.anywhere)) return false;
    for (const names of lists) {
      const [own, ...others] = names as [string, ...string[]];
      const values = await this.read(own);
      for (const other of others) {
        throwIfAborted(op, this.signal);
        const copy = await this.read(other);
        if (copy.length !== values.length || !copy.every((x, i) => Object.is(x, values[i]))) {
          return false;
        }
      }
    }
    return true;
  }

  close(): Promise<void> {
    return closed(this.files);
  }
}

async function closed(files: readonly OpenFile[]): Promise<void> {
  await Promise.all(files.map(({ bytes }) => bytes.close()));
}

/** The names of the safetensors files. */
async function weightFiles(
  op: string,
  source: Source,
  signal: AbortSignal | null,
): Promise<string[]> {
  const names = await source.files.list();
  const chosen = source.weights ?? (names === null ? null : choose(op, source, names));
  for (const name of chosen === null ? USUAL : [chosen]) {
    if (!name.endsWith(INDEX)) {
      if (chosen !== null || (await isThere(source, name, signal))) return [name];
      continue;
    }
    const index = await jsonOf(op, source, name, signal);
    if (index !== null) return shardsOf(op, name, index);
  }
  const wanted = chosen ?? USUAL.join(' and no ');
  throw new CheckpointError(op, `there is no ${wanted} at ${source.files.place}.`);
}

async function isThere(source: Source, name: string, signal: AbortSignal | null): Promise<boolean> {
  const file = await source.files.open(name, signal);
  await file?.close();
  return file !== null;
}

/** Of the names that are there: the index, the usual one, or the only one. */
function choose(op: string, source: Source, names: readonly string[]): string {
  const usual = USUAL.find((name) => names.includes(name));
  if (usual !== undefined) return usual;
  const indexes = names.filter((name) => name.endsWith(INDEX));
  const files = indexes.length > 0 ? indexes : names.filter((n) => n.endsWith('.safetensors'));
  if (files.length === 1) return files[0]!;
  const { place } = source.files;
  if (files.length > 1) {
    const which = `there are ${files.join(', ')} at ${place}. Give those of one model.`;
    throw new CheckpointError(op, which);
  }
  checkNoPickle(op, names);
  const parts = names.includes('model_index.json') ? ' A pipeline has it in transformer/.' : '';
  throw new CheckpointError(op, `there is no .safetensors file at ${place}.${parts}`);
}

function shardsOf(op: string, name: string, index: Record<string, unknown>): string[] {
  const by = { op, wayOut: 'Get it again.' };
  const map = recordOf(index.weight_map, `weight_map of ${name}`, by);
  const files = Object.entries(map).map(([tensor, file]) =>
    readString(file, `weight_map[${JSON.stringify(tensor)}]`, by),
  );
  const outside = files.find((file) => /[/\\]/.test(file));
  if (outside !== undefined) {
    throw new CheckpointError(op, `${name} names a file of another folder: ${outside}.`);
  }
  return [...new Set(files)].sort();
}

async function jsonOf(
  op: string,
  { files }: Source,
  name: string,
  signal: AbortSignal | null,
): Promise<Record<string, unknown> | null> {
  const file = await files.open(name, signal);
  if (file === null) return null;
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(await wholeFile(file)));
    return recordOf(json, name, { op });
  } catch (error) {
    if (error instanceof SyntaxError) throw failed(op, `${name} is not JSON`, error);
    throw error;
  } finally {
    await file.close();
  }
}

async function opened(
  op: string,
  { files }: Source,
  name: string,
  signal: AbortSignal | null,
): Promise<{ file: OpenFile; entries: Entry[] }> {
  const bytes = await files.open(name, signal);
  if (bytes === null) throw new CheckpointError(op, `there is no ${name} at ${files.place}.`);
  try {
    const headerBytes = headerBytesOf(await bytes.read(0, 8));
    const start = 8 + headerBytes;
    const header = await bytes.read(8, start);
    if (header.length < headerBytes) throw cutHeader(headerBytes);
    const size = bytes.size === null ? null : bytes.size - start;
    return { file: { name, bytes, start }, entries: entriesOf(header, size) };
  } catch (error) {
    await bytes.close();
    if (!(error instanceof HadaNormError) || error instanceof CheckpointError) throw error;
    throw failed(op, name, error);
  }
}
