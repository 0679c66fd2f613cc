import { type Reader, type ReadFor, readInteger } from '../../../ops/common/readers.js';
import { describe } from '../../../ops/numerics/errors.js';
import { CheckpointError } from './errors.js';

/** How a field of config.json is read, and what it is where it is absent or null. */
export interface Field<T> {
  readonly read: Reader<T>;
  /** Absent: the field must be there. */
  readonly absent?: T;
}

/** The fields of a config that change the graph, those that cannot, and those with one value. */
export interface Fields<T extends object> {
  readonly read: { readonly [K in keyof T]: Field<T[K]> };
  /** The values that are supported, of fields that the graph does not depend on otherwise. */
  readonly only: Readonly<Record<string, readonly (string | number | boolean | null)[]>>;
  /** What only matters in training, or in lower precision. */
  readonly ignored: readonly string[];
}

/** A config.json as it is parsed. */
export type Json = Readonly<Record<string, unknown>>;

/**
 * A model's config.
 * @throws InvalidArgumentError for a field of another type; CheckpointError for a value or a field
 * that is not supported.
 */
export function readConfig<T extends object>(op: string, config: Json, fields: Fields<T>): T {
  const by: ReadFor = { op, wayOut: 'See docs/checkpoints.md for what is supported.' };
  const known = [...Object.keys(fields.read), ...Object.keys(fields.only), ...fields.ignored];
  for (const [name, value] of Object.entries(config)) {
    if (name.startsWith('_') || known.includes(name) || value === null) continue;
    const problem = `config.json has ${name} = ${describe(value)}, which is not known here.`;
    throw new CheckpointError(op, `${problem} The model may be of another version.`);
  }
  for (const [name, values] of Object.entries(fields.only)) {
    const value = config[name] ?? null;
    if (values.some((one) => one === value)) continue;
    const wanted = values.map((one) => JSON.stringify(one)).join(' or ');
    const problem = `config.json has ${name} = ${describe(value)}; supported is ${wanted}.`;
    throw new CheckpointError(op, problem);
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
