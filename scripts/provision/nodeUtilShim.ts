/**
 * Gives `node:util` back what newer Nodes take out of it: `isNullOrUndefined` went in Node 23,
 * `isArray` is deprecated. `@tensorflow/tfjs-node` 4.22 calls both while it runs operations, so
 * without them the backend loads, and then throws. Import this before the first operation; where
 * Node still has them it changes nothing.
 */
import util from 'node:util';

const legacy: {
  isNullOrUndefined?: (value: unknown) => boolean;
  isArray?: (value: unknown) => boolean;
} = util;

legacy.isNullOrUndefined ??= (value) => value === null || value === undefined;
legacy.isArray ??= Array.isArray;
