#!/usr/bin/env node
import { CommanderError } from 'commander';
import { HadaNormError } from '../../ops/numerics/errors.js';
import '../index.js';
import { programOf } from './program.js';
import { collecting } from './shared/collecting.js';
import type { Context } from './shared/context.js';
import { onInterrupt } from './shared/ownProcess.js';
import { ProgressLine } from './shared/progressLine.js';

/** What a process says of itself when it ends. */
const EXIT = { failed: 1, misused: 2, interrupted: 130 } as const;

const abort = new AbortController();
const line = new ProgressLine(process.stderr);
const context: Context = {
  signal: abort.signal,
  show: (text) => {
    line.clear();
    process.stdout.write(`${text}\n`);
  },
  note: (text) => {
    line.clear();
    process.stderr.write(`${text}\n`);
  },
  onProgress: collecting(line.tell),
};

// the first ends the work in its own time, another at once
onInterrupt(() => {
  if (abort.signal.aborted) process.exit(EXIT.interrupted);
  abort.abort();
});
// `| head` closes stdout: nobody reads on
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
quietTfjs();

try {
  await programOf(context).parseAsync(process.argv);
} catch (error) {
  process.exitCode = told(error);
}
line.clear();
// workers and timers of backends are not waited for
process.exit();

/** Says an error in one line, and gives the exit code. */
function told(error: unknown): number {
  if (abort.signal.aborted) {
    context.note('tfjs-hadanorm: stopped; nothing was written.');
    return EXIT.interrupted;
  }
  // commander has told it already, or it was --help
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.misused;
  const words = error instanceof Error ? error.message : `${error}`;
  context.note(`tfjs-hadanorm: ${words.replace(/\s*\n\s*/g, ' ')}`);
  const isOurs = error instanceof HadaNormError;
  if (!isOurs || process.env.DEBUG) context.note(stacks(error));
  return EXIT.failed;
}

/** Where an error came from, and what caused it. */
function stacks(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const { stack = '', cause } = error;
  return cause instanceof Error ? `${stack}\ncaused by ${cause.stack}` : stack;
}

/** tfjs advertises tfjs-node on the console whenever it is used in Node without it. */
function quietTfjs(): void {
  const { warn } = console;
  console.warn = (...words: unknown[]) => {
    if (`${words[0]}`.includes('looks like you are running TensorFlow.js in Node')) return;
    line.clear();
    warn(...words);
  };
}
