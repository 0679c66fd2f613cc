import type { KernelBackend } from '@tensorflow/tfjs-core';
import type { HadaNormError } from '../numerics/errors.js';

/** Whether the device that a backend computes on still has what was put there. */
export interface Life {
  /** Once true it stays so: a device that comes back comes back empty. */
  readonly isLost: () => boolean;
  /** What is thrown then, in the name of `op`. */
  readonly error: (op: string) => HadaNormError;
  /** Settles when a loss that has happened by now is known. */
  readonly news: () => Promise<void>;
  /** Whether reading in step stalls the page, or cannot be: values are to be waited for. */
  readonly readsLater: boolean;
}

/** The life of a backend of one kind; null for those of other kinds. */
export type LifeOf = (backend: KernelBackend) => Life | null;

const kinds: LifeOf[] = [];
let lives = new WeakMap<KernelBackend, Life | null>();

/** From now on backends of this kind are known to have a device that can be lost. */
export function registerLife(kind: LifeOf): void {
  kinds.push(kind);
  // a backend that was met before its kind came is to be looked at again
  lives = new WeakMap();
}

/** The life of a backend, known by what it is, not by its name; null where nothing can be lost. */
export function lifeOf(backend: KernelBackend): Life | null {
  const known = lives.get(backend);
  if (known !== undefined) return known;
  const life = kinds.map((kind) => kind(backend)).find((found) => found !== null) ?? null;
  lives.set(backend, life);
  return life;
}
