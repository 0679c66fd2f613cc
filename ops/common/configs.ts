import { type Reader, type ReadFor, readInteger, refuse } from './readers.js';

/** How a field of config.json is read, and what it is where it is absent or null. */
export interface Field<T> {
  readonly read: Reader<T>;
  /** Absent: the field must be there. */
  readonly absent?: T;
}

/** The fields of a config: those that are read, and those that need only be known. */
export interface Fields<T extends object> {
  readonly read: { readonly [K in keyof T]: Field<T[K]> };
  /** Fields of which only these values are supported; null: absent. */
  readonly only: Readonly<Record<string, readonly (string | number | boolean | null)[]>>;
  /** What only matters in training, or in lower precision. */
  readonly ignored: readonly string[];
}

/** A config.json as it is parsed. */
export type Json = Readonly<Record<string, unknown>>;

/**
 * What a published config says: a config.json, or a scheduler's.
 * @throws InvalidArgumentError that names the field: for a value of another type, and for a value
 * or a field that is not supported.
 */
export function readConfig<T extends object>(op: string, config: Json, fields: Fields<T>): T {
  const by: ReadFor = { op, wayOut: 'See docs/checkpoints.md for what is supported.' };
  const known = [...Object.keys(fields.read), ...Object.keys(fields.only), ...fields.ignored];
  for (const [name, value] of Object.entries(config)) {
    if (name.startsWith('_') || known.includes(name) || value === null) continue;
    const wayOut = 'It is not known here: the config may be of another version.';
    refuse(by, `config.${name}`, 'absent', value, wayOut);
  }
  for (const [name, values] of Object.entries(fields.only)) {
    const value = config[name] ?? null;
    if (values.some((one) => one === value)) continue;
    const wanted = values.filter((one) => one !== null).map((one) => JSON.stringify(one));
    refuse(by, `config.${name}`, wanted.join(' or ') || 'absent', value);
  }
  const entries = Object.entries(fields.read) as [string, Field<unknown>][];
  const read = entries.map(([name, { read, absent }]) => {
    const value = config[name] ?? undefined;
    const there = value !== undefined || absent === undefined;
    return [name, there ? read(value, `config.${name}`, by) : absent];
  });
  return Object.fromEntries(read) as T;
}

/** A count: of channels, layers, heads, tokens. */
export const readSize: Reader<number> = readInteger(1, 2 ** 24);
