import { isShard } from './modelFiles.js';

/** Writes a model's data to files of one length, as it comes: nothing of it is kept. */
export class ShardWriter {
  private readonly begun: string[] = [];
  private stream: FileSystemWritableFileStream | null = null;
  /** Bytes in the file that is open. */
  private at = 0;

  /** @param onShard Is told of each file that is complete. */
  constructor(
    private readonly directory: FileSystemDirectoryHandle,
    private readonly paths: readonly string[],
    private readonly shardBytes: number,
    private readonly onShard: (path: string, done: number) => void,
  ) {}

  async write(bytes: ArrayBuffer): Promise<void> {
    for (let from = 0; from < bytes.byteLength; ) {
      const count = Math.min(this.shardBytes - this.at, bytes.byteLength - from);
      this.stream ??= await this.begin();
      await this.stream.write(new Uint8Array(bytes, from, count));
      this.at += count;
      from += count;
      if (this.at === this.shardBytes) await this.close();
    }
  }

  /** The last file, which may be shorter, is complete. */
  async end(): Promise<void> {
    // a model without weights has an empty file
    if (this.begun.length === 0) this.stream = await this.begin();
    if (this.stream !== null) await this.close();
  }

  /** Removes what was written. */
  async undo(): Promise<void> {
    await this.stream?.abort().catch(() => undefined);
    this.stream = null;
    await removeFiles(this.directory, this.begun);
  }

  private async begin(): Promise<FileSystemWritableFileStream> {
    const path = this.paths[this.begun.length]!;
    this.begun.push(path);
    this.at = 0;
    const handle = await this.directory.getFileHandle(path, { create: true });
    return handle.createWritable();
  }

  private async close(): Promise<void> {
    await this.stream!.close();
    this.stream = null;
    this.onShard(this.begun.at(-1)!, this.begun.length);
  }
}

/** A file with this in it, in place of what was there. */
export async function writeFile(
  directory: FileSystemDirectoryHandle,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const handle = await directory.getFileHandle(name, { create: true });
  const stream = await handle.createWritable();
  await stream.write(bytes);
  await stream.close();
}

/** Files that may not be there. */
export async function removeFiles(
  directory: FileSystemDirectoryHandle,
  names: readonly string[],
): Promise<void> {
  for (const name of names) await directory.removeEntry(name).catch(() => undefined);
}

/** Removes shards that no model has: of a save in a page that was closed. */
export async function removeLeft(
  directory: FileSystemDirectoryHandle,
  former: readonly string[],
): Promise<void> {
  const left: string[] = [];
  for await (const name of directory.keys()) {
    if (isShard(name) && !former.includes(name)) left.push(name);
  }
  await removeFiles(directory, left);
}
