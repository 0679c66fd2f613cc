import type { Progress, WatchOptions } from '../../../ops/common/progress.js';

/** What every command is given. */
export interface Context {
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Results: to stdout. */
  show(text: string): void;
  /** What is told beside them: to stderr. */
  note(text: string): void;
  /** To stderr: how far long work is, and the time that is left. */
  readonly onProgress: (progress: Progress) => void;
}

/** What long work is watched by. */
export function watched({ signal, onProgress }: Context): WatchOptions {
  return { signal, onProgress };
}

/** Prints a result as JSON where that is asked for, else as text. */
export function printResult(
  { show }: Pick<Context, 'show'>,
  json: boolean | undefined,
  result: object,
  text: () => string,
): void {
  show(json ? JSON.stringify(result, withInfinities, 2) : text());
}

/** JSON has no infinite numbers: they are told as text, as in reports. */
function withInfinities(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? `${value}` : value;
}
