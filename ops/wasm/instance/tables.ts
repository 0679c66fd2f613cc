import { allocateBlock, type Block } from './arena.js';
import type { EmscriptenModule } from './backend.js';

/** What tables may take together between two calls (bytes): those of a dozen widths. */
export const MOST_TABLE_BYTES = 1 << 24;

interface Table extends Block {
  readonly bytes: number;
}

/**
 * Tables in tfjs's heap that are the same in every call, by key. Those that were not used for
 * longest are freed where there are too many, but only by `trim`: a running call keeps all that it
 * was given.
 */
export class Tables {
  // a Map keeps the order of insertion: the first is the one that was not used for longest
  private readonly tables = new Map<string, Table>();
  private bytes = 0;

  constructor(
    private readonly heap: EmscriptenModule,
    private readonly mostBytes = MOST_TABLE_BYTES,
  ) {}

  /** The address of a table; where there is none yet `make` gives it and `write` puts it there. */
  get(
    key: string,
    make: () => Uint8Array,
    write: (table: Uint8Array, address: number) => void,
  ): number {
    const table = this.tables.get(key) ?? this.add(make(), write);
    this.tables.delete(key);
    this.tables.set(key, table);
    return table.address;
  }

  /** Frees what is too much; no kernel may be running. */
  trim(): void {
    if (this.bytes <= this.mostBytes) return;
    for (const [key, { base, bytes }] of this.tables) {
      if (this.bytes <= this.mostBytes) break;
      this.tables.delete(key);
      this.bytes -= bytes;
      this.heap._free(base);
    }
  }

  private add(values: Uint8Array, write: (table: Uint8Array, address: number) => void): Table {
    const block = allocateBlock(this.heap, values.length);
    // beside the table its key and its entry, so that many small ones are bounded too
    const bytes = values.length + ENTRY_BYTES;
    this.bytes += bytes;
    write(values, block.address);
    return { ...block, bytes };
  }
}

const ENTRY_BYTES = 512;
