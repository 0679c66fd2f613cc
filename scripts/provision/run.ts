import { type ChildProcess, spawn } from 'node:child_process';

/** What stops a provisioning step for a reason that the user can act on. */
export class ProvisionError extends Error {}

export interface RunOptions {
  /** Longest time the command may take; it is killed after that. */
  timeoutMs: number;
  signal: AbortSignal | undefined;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  shell?: boolean;
  /** Called with each line of output as it comes. */
  onLine?: (line: string) => void;
  /** Called every 15 s with the seconds passed, so that a silent step does not look hung. */
  onWait?: (seconds: number) => void;
}

export type RunResult = { ok: true; stdout: string[] } | { ok: false; problem: string };

const KILL_GRACE_MS = 5_000;
const WAIT_NOTE_MS = 15_000;
const KEPT_LINES = 200;

function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // The group is gone already, which is what was wanted.
  }
}

/** Ends a command with everything it started; returns what calls the forced kill off. */
function killTree(child: ChildProcess): () => void {
  const pid = child.pid;
  if (pid === undefined) return () => {};
  if (process.platform === 'win32') {
    spawn('taskkill', ['/pid', String(pid), '/T', '/F'], { stdio: 'ignore' }).on('error', () => {});
    return () => {};
  }
  signalGroup(pid, 'SIGTERM');
  const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), KILL_GRACE_MS);
  return () => clearTimeout(timer);
}

function collectLines(
  stream: NodeJS.ReadableStream | null,
  onLine: ((line: string) => void) | undefined,
): string[] {
  const lines: string[] = [];
  let rest = '';
  const take = (line: string): void => {
    if (line.trim() === '') return;
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
    onLine?.(line);
  };
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    const parts = (rest + chunk).split(/[\r\n]+/);
    rest = parts.pop() ?? '';
    parts.forEach(take);
  });
  stream?.on('end', () => take(rest));
  return lines;
}

function lastWords(stderr: string[], stdout: string[]): string {
  const output = [...stdout, ...stderr];
  // The first error is the cause; stack traces, source excerpts and later errors follow it.
  const cause = [...stderr, ...stdout].find((line) => /^\w*Error\b.*:|\berror:/i.test(line));
  const words = cause?.replace(/^error: /i, '') ?? output.slice(-3).join(' | ');
  return words.trim().slice(0, 600);
}

function describeEnd(code: number | null, killed: NodeJS.Signals | null, words: string): string {
  if (killed === null) return words === '' ? `exit code ${code}` : words;
  return words === '' ? `killed by ${killed}` : `killed by ${killed}: ${words}`;
}

/**
 * Runs a command to its end. A command that fails, cannot be found or takes too long is a result,
 * not an exception; only an abort rejects, and not before the command and its children are gone,
 * so that the caller can delete what they were writing.
 */
export function run(command: string, args: string[], options: RunOptions): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    shell: options.shell ?? false,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own is what lets killTree reach grandchildren; on Windows it opens a console.
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  return settle(child, options);
}

function settle(child: ChildProcess, options: RunOptions): Promise<RunResult> {
  const { signal, timeoutMs, onLine, onWait } = options;
  const stdout = collectLines(child.stdout, onLine);
  const stderr = collectLines(child.stderr, onLine);
  return new Promise((resolve, reject) => {
    const started = Date.now();
    let timedOut = false;
    let callOffKill = (): void => {};
    const stop = (): void => {
      callOffKill = killTree(child);
    };
    const timer = setTimeout(() => {
      timedOut = true;
      stop();
    }, timeoutMs);
    const note = setInterval(
      () => onWait?.(Math.round((Date.now() - started) / 1000)),
      WAIT_NOTE_MS,
    );
    signal?.addEventListener('abort', stop, { once: true });
    const finish = (result: RunResult): void => {
      clearTimeout(timer);
      clearInterval(note);
      callOffKill();
      signal?.removeEventListener('abort', stop);
      if (signal?.aborted) reject(signal.reason);
      else resolve(result);
    };
    child.on('error', (error) => finish({ ok: false, problem: error.message }));
    child.on('close', (code, killed) => {
      if (timedOut) finish({ ok: false, problem: `not finished after ${timeoutMs / 1000} s` });
      else if (code === 0) finish({ ok: true, stdout });
      else finish({ ok: false, problem: describeEnd(code, killed, lastWords(stderr, stdout)) });
    });
  });
}
