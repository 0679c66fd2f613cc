import type { WorkerStart } from './control.js';
import { WORKER_SOURCE } from './workerSource.js';

/** A worker that has been started. */
export interface SpawnedWorker {
  /** Whether it runs: false when it could not be started, or did not say so in time. */
  readonly ready: Promise<boolean>;
  terminate(): void;
}

/**
 * The parts of Node's worker_threads that are used; imports of Node's modules would not load in a
 * page.
 */
interface NodeWorker {
  on(event: string, listener: (value: unknown) => void): void;
  unref(): void;
  terminate(): Promise<number>;
}
interface NodeWorkerThreads {
  readonly Worker: new (source: string, options: object) => NodeWorker;
}
interface NodeProcess {
  readonly versions?: { readonly node?: string };
  getBuiltinModule?(name: string): unknown;
}

/** How long a worker may take to start. */
const START_MS = 20_000;

/** Node's worker_threads; undefined elsewhere. */
export function nodeWorkerThreads(): NodeWorkerThreads | undefined {
  const { process } = globalThis as { process?: NodeProcess };
  if (process?.versions?.node === undefined) return undefined;
  return process.getBuiltinModule?.('node:worker_threads') as NodeWorkerThreads | undefined;
}

/** Starts a worker; `lost` is called when it ends by itself, once it was ready. */
export function spawnWorker(start: WorkerStart, lost: () => void): SpawnedWorker {
  const node = nodeWorkerThreads();
  return node === undefined ? spawnInPage(start, lost) : spawnInNode(node, start, lost);
}

function spawnInNode(
  { Worker }: NodeWorkerThreads,
  start: WorkerStart,
  lost: () => void,
): SpawnedWorker {
  // execArgv: loaders of the caller have nothing to do there
  const worker = new Worker(WORKER_SOURCE, { eval: true, workerData: start, execArgv: [] });
  // an idle worker must not keep Node from ending; while it starts, somebody awaits it
  const ready = firstOf((settle) => {
    worker.on('message', () => settle(true));
    worker.on('error', () => settle(false));
    worker.on('exit', () => settle(false));
  }).finally(() => worker.unref());
  worker.on('exit', lost);
  return { ready, terminate: () => void worker.terminate() };
}

function spawnInPage(start: WorkerStart, lost: () => void): SpawnedWorker {
  const url = URL.createObjectURL(new Blob([WORKER_SOURCE], { type: 'text/javascript' }));
  const worker = new Worker(url);
  const ready = firstOf((settle) => {
    worker.onmessage = () => settle(true);
    worker.onerror = () => {
      settle(false);
      lost();
    };
  }).finally(() => URL.revokeObjectURL(url));
  worker.postMessage(start);
  return { ready, terminate: () => worker.terminate() };
}

/** What is settled first, or false after START_MS. */
function firstOf(listen: (settle: (ready: boolean) => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), START_MS);
    listen((ready) => {
      clearTimeout(timer);
      resolve(ready);
    });
  });
}
