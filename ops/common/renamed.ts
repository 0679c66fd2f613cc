import { deprecationWarn } from '@tensorflow/tfjs-core';
import { describe, InvalidArgumentError } from '../numerics/errors.js';

const told = new Set<string>();

/**
 * Options in which what came under its former name stands under its own: taken for one version
 * more, and told once.
 * @throws InvalidArgumentError where it came under both.
 */
export function withRenamed<T extends object>(
  op: string,
  options: T,
  former: keyof T & string,
  name: keyof T & string,
): T {
  if (options === null || typeof options !== 'object' || !(former in options)) return options;
  const { [former]: value, ...others } = options;
  if (name in options) {
    const wanted = `absent beside ${name}, which is its new name`;
    throw new InvalidArgumentError(op, former, wanted, describe(value));
  }
  tellRenamed(op, former, name);
  return { ...others, [name]: value } as T;
}

/** Says once that a name is a former one. */
export function tellRenamed(op: string, former: string, name: string): void {
  const key = `${op} ${former}`;
  if (told.has(key)) return;
  told.add(key);
  deprecationWarn(`${op}: ${former} is called ${name} now, and goes with the next version.`);
}
