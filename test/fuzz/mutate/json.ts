import type { Random } from '../base/random.js';
import { hostileText } from './values.js';

type Container = Record<string, unknown> | unknown[];

interface Place {
  readonly holder: Container;
  readonly key: string;
}

/**
 * Changes a value of JSON in one place: another value, one less, one twice, two exchanged, another
 * name. Gives the path.
 *
 * @param hostile What may come in the place of a value.
 */
export function mutateJson(
  random: Random,
  root: Container,
  hostile: (random: Random, was: unknown) => unknown,
): string {
  const { place, path } = placeIn(random, root);
  if (place === null) return 'nothing to change';
  const { holder, key } = place;
  const was = get(holder, key);
  switch (random.below(8)) {
    case 0:
      remove(holder, key);
      return `${path} removed`;
    case 1:
      return doubled(random, holder, key, path);
    case 2: {
      const other = random.pick(Object.keys(holder));
      set(holder, key, get(holder, other));
      set(holder, other, was);
      return `${path} exchanged with ${other}`;
    }
    default: {
      const value = hostile(random, was);
      set(holder, key, value);
      return `${path} = ${shown(value)}`;
    }
  }
}

/** How a value is told. */
export function shown(value: unknown): string {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : `${value}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'symbol') return value.toString();
  try {
    return (JSON.stringify(value) ?? `${typeof value}`).slice(0, 80);
  } catch {
    return typeof value;
  }
}

function doubled(random: Random, holder: Container, key: string, path: string): string {
  const value = copied(get(holder, key));
  if (Array.isArray(holder)) {
    holder.splice(random.below(holder.length + 1), 0, value);
    return `${path} twice`;
  }
  const name = hostileText(random);
  set(holder, name, value);
  if (random.chance(0.5)) remove(holder, key);
  return `${path} as ${name}`;
}

/** A copy, but of what has none: functions, symbols, and what holds such. */
function copied(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return value;
  }
}

/** A place: the deeper, the likelier, for most of a file's fields are deep in it. */
function placeIn(random: Random, root: Container): { place: Place | null; path: string } {
  let holder = root;
  let path = '';
  for (;;) {
    const keys = Object.keys(holder);
    if (keys.length === 0) return { place: null, path };
    const key = random.pick(keys);
    path = `${path}.${key}`;
    const value = get(holder, key);
    const inner = value !== null && typeof value === 'object' && !ArrayBuffer.isView(value);
    if (!inner || Object.keys(value).length === 0 || random.chance(0.15)) {
      return { place: { holder, key }, path };
    }
    holder = value as Container;
  }
}

function get(holder: Container, key: string): unknown {
  return (holder as Record<string, unknown>)[key];
}

/** As JSON.parse does it, `__proto__` too. */
function set(holder: Container, key: string, value: unknown): void {
  Object.defineProperty(holder, key, {
    ...{ value, enumerable: true, writable: true, configurable: true },
  });
}

function remove(holder: Container, key: string): void {
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else delete holder[key];
}
