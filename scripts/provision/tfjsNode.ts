/**
 * Makes `require('@tensorflow/tfjs-node')` work. The package's install step downloads
 * libtensorflow, which closed networks refuse; there, the libraries come out of TensorFlow's
 * Python wheel and the binding is compiled from the sources that the npm package holds.
 */
import { rm } from 'node:fs/promises';
import { isMain } from '../process.js';
import { verify } from './children.js';
import { type Context, readContext } from './context.js';
import { installOfficially } from './official.js';
import { errorCode, installFromCache, removeFromPackage } from './place.js';
import { ProvisionError } from './run.js';
import { buildCacheEntry } from './wheel.js';

export interface ProvisionOptions {
  /** Told about progress, a line at a time. */
  log?: (line: string) => void;
  /** Stops the work; nothing half-made is left behind. */
  signal?: AbortSignal;
}

export type ProvisionResult =
  | {
      available: true;
      how: 'already' | 'cache' | 'official' | 'wheel';
      tensorflowVersion: string;
    }
  | { available: false; reason: string };

interface Way {
  how: 'cache' | 'official' | 'wheel';
  title: string;
  install: (context: Context) => Promise<void>;
}

const WAYS: readonly Way[] = [
  { how: 'cache', title: 'the cache', install: installFromCache },
  { how: 'official', title: "tfjs-node's own install script", install: installOfficially },
  {
    how: 'wheel',
    title: "TensorFlow's Python wheel",
    install: async (context) => {
      await buildCacheEntry(context);
      await installFromCache(context);
    },
  },
];

/** What went wrong, if it is something that happens to users; a mistake in here is thrown on. */
function expectedProblem(error: unknown): string {
  if (error instanceof ProvisionError) return error.message;
  if (error instanceof Error && errorCode(error) !== undefined) return error.message;
  throw error;
}

/** Tries one way; answers with TensorFlow's version, or why there is none. */
async function tryWay(
  way: Way,
  context: Context,
): Promise<{ version: string } | { problem: string }> {
  try {
    await way.install(context);
    const check = await verify(context);
    if (check.ok) return { version: check.answer };
    await removeFromPackage(context);
    // An entry made just now that does not work here never will; an older one may be replaced.
    if (way.how === 'wheel') await rm(context.cacheEntry, { recursive: true, force: true });
    return { problem: `installed, but it does not work: ${check.problem}` };
  } catch (error) {
    context.signal?.throwIfAborted();
    return { problem: expectedProblem(error) };
  }
}

async function provision(context: Context): Promise<ProvisionResult> {
  const { log } = context;
  log('Checking @tensorflow/tfjs-node');
  const before = await verify(context);
  if (before.ok) return { available: true, how: 'already', tensorflowVersion: before.answer };
  log(`It does not work yet: ${before.problem}`);
  const reasons: string[] = [];
  for (const way of WAYS) {
    const result = await tryWay(way, context);
    if ('version' in result) {
      return { available: true, how: way.how, tensorflowVersion: result.version };
    }
    log(`Not from ${way.title}: ${result.problem}`);
    // An empty cache is nothing that a user would want to act on.
    if (way.how !== 'cache') reasons.push(`${way.title}: ${result.problem}`);
  }
  return { available: false, reason: `tfjs-node is not available. ${reasons.join('. ')}` };
}

/** Makes tfjs-node work by the cheapest way there is, or says what stands in every way. */
export async function provisionTfjsNode(options: ProvisionOptions = {}): Promise<ProvisionResult> {
  try {
    return await provision(await readContext(options));
  } catch (error) {
    if (options.signal?.aborted) {
      return { available: false, reason: 'stopped before tfjs-node was ready' };
    }
    return { available: false, reason: expectedProblem(error) };
  }
}

async function main(): Promise<void> {
  const stopper = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => stopper.abort());
  }
  const started = Date.now();
  const result = await provisionTfjsNode({
    log: (line) => console.log(line),
    signal: stopper.signal,
  });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  if (result.available) {
    const { how, tensorflowVersion } = result;
    console.log(`tfjs-node is ready (${how}, TensorFlow ${tensorflowVersion}) after ${seconds} s`);
  } else {
    console.error(result.reason);
    console.log(`tfjs-node is not available, after ${seconds} s`);
    process.exitCode = 1;
  }
}

if (isMain(import.meta.url)) {
  await main();
}
