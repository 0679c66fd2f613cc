import { attention } from './attention.js';
import type { Description } from './describe.js';
import { hadamard } from './hadamard.js';
import { product } from './product.js';
import { rows } from './rows.js';

/** Every record, constant and layout that TypeScript and the WASM kernels share. */
export const description: Description = merged([product, attention, rows, hadamard]);

function merged(parts: readonly Description[]): Description {
  return {
    constants: joined(parts.map((part) => part.constants)),
    enumerations: joined(parts.map((part) => part.enumerations)),
    records: joined(parts.map((part) => part.records)),
    layouts: joined(parts.map((part) => part.layouts)),
  };
}

/** One object; a name that stands for two things is an error. */
function joined<T>(parts: readonly Readonly<Record<string, T>>[]): Record<string, T> {
  const all: Record<string, T> = {};
  for (const [name, value] of parts.flatMap((part) => Object.entries(part))) {
    if (name in all) throw new Error(`The WASM records have two descriptions of ${name}.`);
    all[name] = value;
  }
  return all;
}
