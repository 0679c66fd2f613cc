/**
 * A cache that keeps the entries used last, so that whoever asks for ever new ones fills no memory.
 */
export class BoundedMap<K, V> {
  private readonly entries = new Map<K, V>();

  constructor(private readonly most: number) {}

  get size(): number {
    return this.entries.size;
  }

  /** The entry of a key, made where there is none. */
  get(key: K, make: () => V): V {
    const known = this.entries.has(key);
    const value = known ? this.entries.get(key)! : make();
    // a Map keeps the order of insertion: the first is the one that was not used for longest
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size > this.most) this.entries.delete(this.entries.keys().next().value!);
    return value;
  }
}
