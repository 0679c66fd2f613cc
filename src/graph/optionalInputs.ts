import { type Attrs, attr } from './attrs.js';
import type { Ref } from './ir.js';

/**
 * Inputs of which some may be absent, by the flag that says whether they are there, in the order
 * of the op.
 */
export function optionalInputs(given: Readonly<Record<string, Ref | null>>): {
  readonly inputs: readonly Ref[];
  readonly flags: Attrs;
} {
  const flags = Object.entries(given).map(([flag, ref]) => [flag, attr.bool(ref !== null)]);
  return {
    inputs: Object.values(given).filter((ref) => ref !== null),
    flags: Object.fromEntries(flags),
  };
}
