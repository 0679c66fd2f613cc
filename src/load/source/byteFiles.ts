/** A file that is read in parts. */
export interface ByteFile {
  /** Its length in bytes; null where nobody knows before all have come. */
  readonly size: number | null;
  /** Whether a part is had without those before it. */
  readonly anywhere: boolean;
  /**
   * The bytes from `begin` to `end`. Whoever reads goes forward: a stream need not begin anew.
   * What is cut off there is shorter than asked for.
   */
  read(begin: number, end: number): Promise<Uint8Array>;
  /** Lets go of a connection until it is read again: others wait for one. */
  idle(): Promise<void>;
  /** Gives up what reading holds; nothing is read after it. */
  close(): Promise<void>;
}

/** Files of a checkpoint by name: a folder on disk, on a server, or what a page was given. */
export interface ByteFiles {
  /** For errors: where they are. */
  readonly place: string;
  /** Their names; null where they cannot be listed. */
  list(): Promise<readonly string[] | null>;
  /** A file; null where there is none of this name. */
  open(name: string, signal: AbortSignal | null): Promise<ByteFile | null>;
}

/** All bytes of a file, whose length may not be known. */
export async function wholeFile(file: ByteFile): Promise<Uint8Array> {
  return file.read(0, file.size ?? Number.MAX_SAFE_INTEGER);
}
