import { ROOT } from '../../../scripts/process.js';
import { HadaNormError } from '../../../src/index.js';

/** What must not happen. */
export type Fault =
  | 'crash'
  | 'hang'
  | 'memory'
  | 'outside write'
  | 'outside read'
  | 'untyped'
  | 'wrong'
  | 'leak';

/**
 * How a mutated input fared: right, a typed error of this package, an error of tfjs's own that no
 * code of this package is on the stack of, or what must not happen.
 */
export type Outcome =
  | { readonly what: 'right' }
  | { readonly what: 'typed'; readonly message: string }
  | { readonly what: 'tfjs'; readonly message: string }
  | { readonly what: 'found'; readonly fault: Fault; readonly message: string };

export const RIGHT: Outcome = { what: 'right' };

export function found(fault: Fault, message: string): Outcome {
  return { what: 'found', fault, message };
}

/** What an error is, by its class, or by whose code is on its stack. */
export function thrown(error: unknown): Outcome {
  if (error instanceof HadaNormError) return { what: 'typed', message: error.message };
  const text = error instanceof Error ? `${error.name}: ${error.message}` : `${error}`;
  const frame = ownFrame(error);
  if (frame === null) return { what: 'tfjs', message: text };
  return found('untyped', `${text} ${frame}`);
}

/** What stands before a model's own execute. */
const PLANNED = `${ROOT}/src/plan/planned.ts`;

/**
 * The frame of the first code that is not a package's, where it is this package's: it called what
 * threw. A trap of WebAssembly is a fault wherever it was.
 */
function ownFrame(error: unknown): string | null {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const houses = ['ops', 'src', 'models', 'test'].map((house) => `${ROOT}/${house}/`);
  // a model that records itself hands on what tfjs's own execute throws
  const isHandedOn = frames.some((frame) => frame.includes('GraphModel.execute'));
  const callers = frames.filter((frame) => !isHandedOn || !frame.includes(PLANNED));
  const first = callers.find((frame) => houses.some((house) => frame.includes(house))) ?? '';
  const isOwn = first !== '' && !first.includes(`${ROOT}/test/`);
  return isOwn || error instanceof WebAssembly.RuntimeError ? first.trim() : null;
}
