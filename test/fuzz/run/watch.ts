import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { ROOT } from '../../../scripts/process.js';
import { CHILD_ENV } from '../../harness/run/child.js';
import { found, type Outcome } from '../base/outcome.js';
import { CHANNEL, type Job, type Said } from './protocol.js';

/** A case that says nothing for so long hangs; one alone gets more, for the machine may be busy. */
const SILENCE_MS = 10_000;
const ALONE_MS = 30_000;
/** Starting, and what a kind needs once. */
const PREPARE_MS = 900_000;
/** Silent as long as it may be, a process of which others took the time is waited for, so long. */
const STARVED_MS = 120_000;
/** What a process may take (bytes): the largest things that there are take a hundredth of it. */
const MOST_BYTES = 3 * 2 ** 30;
const LOOK_MS = 250;

/** A case and how it fared. */
export interface Ended {
  readonly kind: string;
  readonly index: number;
  readonly text: string;
  readonly outcome: Outcome;
}

/** Runs jobs in a process of their own, a new one after each that died or was ended. */
export async function watch(
  seed: number,
  jobs: readonly Job[],
  onEnded: (ended: Ended) => void,
  signal: AbortSignal,
): Promise<void> {
  let left = jobs;
  while (left.length > 0) {
    signal.throwIfAborted();
    const { rest, open } = await watchOne(seed, left, SILENCE_MS, onEnded, signal);
    if (open !== null) onEnded(await confirmed(seed, open, signal));
    left = rest;
  }
}

/** A hang is one where it is one alone too: a busy machine looks like it. */
async function confirmed(seed: number, open: Ended, signal: AbortSignal): Promise<Ended> {
  const { outcome, kind, index } = open;
  if (outcome.what !== 'found' || outcome.fault !== 'hang') return open;
  const again: Ended[] = [];
  const job = { kind, from: index, to: index + 1 };
  const alone = await watchOne(seed, [job], ALONE_MS, (ended) => again.push(ended), signal);
  return again[0] ?? alone.open ?? open;
}

interface Watched {
  /** Jobs that are left. */
  readonly rest: readonly Job[];
  /** The case that did not end. */
  readonly open: Ended | null;
}

async function watchOne(
  seed: number,
  jobs: readonly Job[],
  silenceMs: number,
  onEnded: (ended: Ended) => unknown,
  signal: AbortSignal,
): Promise<Watched> {
  const child = start(seed, jobs, signal);
  const errors = lastOf(child.stderr!);
  let now: Said = { preparing: '' };
  let heard: Heard = { atMs: performance.now(), workedMs: 0 };
  let rest = jobs;
  const said = createInterface({ input: child.stdio[CHANNEL] as Readable });
  said.on('line', (line) => {
    heard = { atMs: performance.now(), workedMs: workedMsOf(child) };
    const last = now;
    now = JSON.parse(line) as Said;
    if (!('end' in now)) return;
    const text = 'begin' in last ? last.text : '';
    rest = after(rest, now.kind, now.end);
    onEnded({ kind: now.kind, index: now.end, text, outcome: now.outcome });
  });
  let ended: Outcome | null = null;
  const look = setInterval(() => {
    ended ??= wrongWith(child, heard, 'preparing' in now ? PREPARE_MS : silenceMs);
    if (ended !== null) child.kill('SIGKILL');
  }, LOOK_MS);
  const how = await new Promise<string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, by) => resolve(`${by ?? `code ${code}`}`));
  }).finally(() => clearInterval(look));
  signal.throwIfAborted();
  const open = now as Said;
  if ('end' in open || (how === 'code 0' && !('begin' in open))) return { rest, open: null };
  if (!('begin' in open)) throw new Error(`The process did not start (${how}).\n${errors()}`);
  const { kind, begin: index, text } = open;
  const outcome = ended ?? found('crash', `the process ended, ${how}\n${errors()}`);
  return { rest: after(rest, kind, index), open: { kind, index, text, outcome } };
}

function start(seed: number, jobs: readonly Job[], signal: AbortSignal): ChildProcess {
  const script = join(ROOT, 'test/fuzz/run/child.ts');
  const args = ['--import', 'tsx', script, JSON.stringify({ seed, jobs })];
  const stdio: ('ignore' | 'pipe')[] = ['ignore', 'ignore', 'pipe', 'pipe'];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio, env: CHILD_ENV });
  const end = () => void child.kill('SIGKILL');
  signal.addEventListener('abort', end);
  child.on('close', () => signal.removeEventListener('abort', end));
  return child;
}

/** The end of what a stream says. */
function lastOf(stream: Readable): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (more: string) => {
    text = `${text}${more}`.slice(-2000);
  });
  return () => text;
}

/** What is left behind a case. */
function after(jobs: readonly Job[], kind: string, index: number): readonly Job[] {
  const [first, ...others] = jobs;
  if (first === undefined) return [];
  if (first.kind !== kind) return after(others, kind, index);
  return index + 1 < first.to ? [{ ...first, from: index + 1 }, ...others] : others;
}

/** Why a process is to be ended; null where it is not. */
function wrongWith(child: ChildProcess, heard: Heard, limitMs: number): Outcome | null {
  if (isSilent(child, heard, limitMs)) {
    return found('hang', `nothing was heard for ${limitMs / 1000} s`);
  }
  if (bytesOf(child) <= MOST_BYTES) return null;
  return found('memory', 'the process grew without end');
}

/** When it said something, and how long it had worked till then. */
interface Heard {
  readonly atMs: number;
  readonly workedMs: number;
}

/**
 * Whether it has said nothing for so long, and had at least half of that time for itself: one that
 * sleeps on end, not on account of others, is found a little later.
 */
function isSilent(child: ChildProcess, { atMs, workedMs }: Heard, limitMs: number): boolean {
  const silentMs = performance.now() - atMs;
  if (silentMs <= limitMs) return false;
  return workedMsOf(child) - workedMs >= limitMs / 2 || silentMs > Math.max(limitMs, STARVED_MS);
}

/** The time of a processor that it had; what has passed where the system does not tell. */
function workedMsOf({ pid }: ChildProcess): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // behind the name in brackets: fields 14 and 15, in hundredths of a second
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return performance.now();
  }
}

/** Where the system tells; 0 elsewhere. */
function bytesOf({ pid }: ChildProcess): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
