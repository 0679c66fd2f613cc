import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { HadaNormError } from '../../../ops/numerics/errors.js';

/**
 * What glibc reads when a process starts: matrices get pages of their own, which go back to the
 * system with them. By itself it takes what is below 32 MB from one heap, and of that what is
 * packed between other blocks keeps 0.3 GB of DiT-XL/2 from ever going back.
 */
const HEAP = { MALLOC_MMAP_THRESHOLD_: '2097152', MALLOC_ARENA_MAX: '2' } as const;

/** In a child's environment: the process that waits for it. */
const PARENT = 'TFJS_HADANORM_PARENT';

/** Signals that end the command; each goes on to the child. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Whether large matrices are better off in a process of its own: in Node, on glibc, where nobody
 * has set up the heap.
 */
export function wantsOwnProcess(): boolean {
  if (process.platform !== 'linux' || 'bun' in process.versions || 'deno' in process.versions) {
    return false;
  }
  const { MALLOC_MMAP_THRESHOLD_, GLIBC_TUNABLES = '' } = process.env;
  if (MALLOC_MMAP_THRESHOLD_ !== undefined || GLIBC_TUNABLES.includes('malloc')) return false;
  return isGlibc();
}

/**
 * Runs this very command again with a heap that shrinks, and ends as it ends: by its exit code, or
 * by its signal. Input and output are its own; signals go on to it, and it ends with this process.
 * @throws HadaNormError where no process can be started.
 */
export async function inOwnProcess(): Promise<never> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env: { ...process.env, ...HEAP, [PARENT]: `${process.pid}` },
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  // a terminal sends Ctrl-C to both: the child waits for this message, and counts it once
  const forward = (signal: NodeJS.Signals) => {
    if (signal === 'SIGHUP') child.kill(signal);
    else if (child.connected) child.send(signal, () => undefined);
  };
  for (const signal of SIGNALS) process.on(signal, forward);
  const ended = await new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.on('error', (cause) => {
      const wayOut = '--child never works in this one.';
      const problem = `no process of its own can be started: ${cause.message}. ${wayOut}`;
      reject(Object.assign(new HadaNormError('--child', problem), { cause }));
    });
    child.on('exit', (code, signal) => resolve(signal ?? code ?? 1));
  });
  for (const signal of SIGNALS) process.off(signal, forward);
  if (typeof ended === 'number') process.exit(ended);
  process.kill(process.pid, ended);
  // the signal comes while this waits
  return new Promise(() => undefined);
}

/**
 * Calls back with each Ctrl-C or SIGTERM. In a child they come from its parent alone, whose end is
 * one too.
 */
export function onInterrupt(run: (signal: NodeJS.Signals) => void): void {
  if (process.env[PARENT] !== `${process.ppid}` || process.channel === undefined) {
    process.on('SIGINT', run);
    process.on('SIGTERM', run);
    return;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
  process.on('message', (signal: NodeJS.Signals) => run(signal));
  process.on('disconnect', () => run('SIGTERM'));
  // it is no work that there might be a signal
  process.channel?.unref();
}

/** On musl, and where nobody can tell, a heap reads no such variables. */
function isGlibc(): boolean {
  const maps = '/proc/self/maps';
  return existsSync(maps) && /\/libc(\.so\.6|-2\.\d+\.so)$/m.test(readFileSync(maps, 'utf8'));
}
