/** As much of a browser's folder as `opfs` asks for, in memory. */
export class MemoryFolder {
  readonly files = new Map<string, Uint8Array<ArrayBuffer>>();
  private readonly folders = new Map<string, MemoryFolder>();
  /** Bytes that are left; more are refused, as by a browser. */
  room = Number.POSITIVE_INFINITY;

  /** For what asks for a browser's. */
  get handle(): FileSystemDirectoryHandle {
    return this as unknown as FileSystemDirectoryHandle;
  }

  folder(name: string): MemoryFolder {
    return this.folders.get(name)!;
  }

  async getDirectoryHandle(name: string, { create = false } = {}): Promise<MemoryFolder> {
    const known = this.folders.get(name);
    if (known !== undefined) return known;
    if (!create) throw missing(name);
    const made = new MemoryFolder();
    made.room = this.room;
    this.folders.set(name, made);
    return made;
  }

  async getFileHandle(name: string, { create = false } = {}) {
    if (!create && !this.files.has(name)) throw missing(name);
    return {
      getFile: async () => new Blob([this.files.get(name) ?? new Uint8Array()]),
      createWritable: async () => {
        let written = new Blob();
        return {
          write: async (bytes: Uint8Array<ArrayBuffer>) => {
            written = new Blob([written, bytes]);
          },
          abort: async () => {},
          close: async () => {
            this.room -= written.size;
            if (this.room < 0) throw new DOMException('no more room', 'QuotaExceededError');
            this.files.set(name, new Uint8Array(await written.arrayBuffer()));
          },
        };
      },
    };
  }

  async *keys(): AsyncGenerator<string> {
    yield* [...this.files.keys(), ...this.folders.keys()];
  }

  async removeEntry(name: string): Promise<void> {
    if (!this.files.delete(name)) throw missing(name);
  }
}

function missing(name: string): DOMException {
  return new DOMException(`there is no ${name}`, 'NotFoundError');
}
