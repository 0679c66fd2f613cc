import { setBackend } from '@tensorflow/tfjs-core';
import { HadaNormError, InvalidArgumentError } from '../../../ops/numerics/errors.js';

/** Backends of a command line, and what each is installed as. */
const PACKAGES: Readonly<Record<string, string>> = {
  wasm: '@tensorflow/tfjs-backend-wasm',
  cpu: '@tensorflow/tfjs-backend-cpu',
  tensorflow: '@tensorflow/tfjs-node',
};

export const BACKENDS = Object.keys(PACKAGES);

/**
 * Before a backend is loaded: TensorFlow is to give back the memory of what it has multiplied.
 * With oneDNN it keeps the most that it ever had, 0.4 GB of Flux, and is no faster at what
 * quantizing needs. What the user has set stays.
 */
export function withLittleMemory(): void {
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '0';
}

/**
 * Makes a backend the one that computes.
 * @throws InvalidArgumentError for another name; HadaNormError where its package is not installed,
 * with the line that installs it.
 */
export async function useBackend(name: string): Promise<void> {
  const installed = PACKAGES[name];
  if (installed === undefined) {
    throw new InvalidArgumentError('--backend', 'NAME', BACKENDS.join(', '), name);
  }
  try {
    await import(installed);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message.split('\n')[0] : `${cause}`;
    const wayOut = `Run: npm install ${installed}, or add -p ${installed} to npx`;
    const problem = `${name} cannot be loaded (${words}). ${wayOut}`;
    throw Object.assign(new HadaNormError('--backend', problem), { cause });
  }
  if (await setBackend(name)) return;
  throw new HadaNormError('--backend', `${name} does not start on this machine. Take another.`);
}
