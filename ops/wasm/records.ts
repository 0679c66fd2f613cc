import type { WasmModule } from './module.js';

/** Fields of a record that a kernel reads, by name; absent ones are 0. */
export type Fields = Readonly<Record<string, number>>;

/**
 * Writes an AssemblyScript record, 4 bytes a field in the order of `names`; those in `floats` as
 * float32.
 */
export function writeRecord(
  module: WasmModule,
  names: readonly string[],
  fields: Fields,
  floats: readonly string[] = [],
): number {
  const at = module.scratch(4 * names.length);
  const words = new Int32Array(module.memory.buffer, at, names.length);
  const reals = new Float32Array(module.memory.buffer, at, names.length);
  for (const [i, name] of names.entries()) {
    (floats.includes(name) ? reals : words)[i] = fields[name] ?? 0;
  }
  return at;
}
