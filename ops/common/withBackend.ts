import { engine, type KernelBackend } from '@tensorflow/tfjs-core';

/** What tfjs makes a backend by. */
export type BackendFactory = () => KernelBackend | Promise<KernelBackend>;

/** Has a backend be made in another way, whether its package is imported before this or after. */
export function wrapFactory(name: string, wrap: (factory: BackendFactory) => BackendFactory): void {
  const tfjs = engine();
  const made = new WeakSet<BackendFactory>();
  const once = (factory: BackendFactory) => {
    // one that was found with tfjs and is registered again
    if (made.has(factory)) return factory;
    const wrapped = wrap(factory);
    made.add(wrapped);
    return wrapped;
  };
  const there = tfjs.registryFactory[name];
  if (there !== undefined) there.factory = once(there.factory);
  const register = tfjs.registerBackend.bind(tfjs);
  tfjs.registerBackend = (given, factory, priority) =>
    register(given, given === name ? once(factory) : factory, priority);
}

const loads = new Map<string, Promise<void>>();

/**
 * Has a backend come with what its kernels need: `await tf.setBackend(name)` is through when that
 * is loaded too, and gives false where it cannot be. A backend that was chosen before this gets it
 * as soon as may be; until then its ops run as compositions.
 */
export function loadWithBackend(name: string, load: () => Promise<void>): void {
  const once = () => {
    const loading = loads.get(name) ?? load();
    loads.set(name, loading);
    // a page that lost its network for a moment may try again
    loading.catch(() => loads.delete(name));
    return loading;
  };
  wrapFactory(name, (factory) => async () => {
    const [backend] = await Promise.all([factory(), once()]);
    return backend;
  });
  const { backendName, registry } = engine();
  if (backendName !== name && registry[name] === undefined) return;
  once().catch((error) => console.warn(`tfjs-hadanorm: the kernels for ${name}: ${error}`));
}

/** Waits for what a backend's kernels need where it is being loaded. */
export async function backendLoaded(name: string): Promise<void> {
  await loads.get(name);
}
