/**
 * A cache that keeps the entries used last, so that whoever asks for ever new ones fills no memory.
 */
export class BoundedMap<K, V> {
  private readonly entries = new Map<K, V>();
  private total = 0;
  /** The key asked for last: the Map has it at its end already. */
  private newest: K | undefined;

  /**
   * @param most What the entries may come to together.
   * @param sizeOf What an entry counts. Default 1.
   * @param drop Called with an entry that is not kept any longer.
   */
  constructor(
    private readonly most: number,
    private readonly sizeOf: (value: V) => number = () => 1,
    private readonly drop: (value: V) => void = () => {},
  ) {}

  get size(): number {
    return this.entries.size;
  }

  /** The entry of a key, made where there is none. One that is too much by itself is not kept. */
  get(key: K, make: () => V): V {
    const known = this.entries.get(key);
    if (known !== undefined || this.entries.has(key)) {
      // a Map keeps the order of insertion: the first is the one that was not used for longest.
      // While there is room for as much again, the order does not matter, and takes time: 2 µs of
      // 10 for a small tensor
      if (2 * this.total > this.most && key !== this.newest) {
        this.entries.delete(key);
        this.entries.set(key, known as V);
        this.newest = key;
      }
      return known as V;
    }
    const value = make();
    const size = this.sizeOf(value);
    if (size > this.most) return value;
    this.entries.set(key, value);
    this.newest = key;
    this.total += size;
    for (const [oldest, old] of this.entries) {
      if (this.total <= this.most) break;
      this.entries.delete(oldest);
      this.total -= this.sizeOf(old);
      this.drop(old);
    }
    return value;
  }

  /** The entry of a key as it is, which counts as no use of it; undefined where there is none. */
  peek(key: K): V | undefined {
    return this.entries.get(key);
  }

  /** Drops all entries. */
  clear(): void {
    const dropped = [...this.entries.values()];
    this.entries.clear();
    this.total = 0;
    this.newest = undefined;
    for (const value of dropped) this.drop(value);
  }
}
