/** Backends that have kernels in this package, each in an entry point of its name. */
const ENTRIES: readonly string[] = ['wasm', 'webgl', 'webgpu', 'tensorflow'];

const known = new Set<string>();

/** From now on a backend's kernels, where it has any, are there. */
export function kernelsImported(backendName: string): void {
  known.add(backendName);
}

/**
 * Says once for each backend that its ops run as compositions for want of an import: they give the
 * same, slowly.
 */
export function sayUnlessImported(backendName: string): void {
  if (known.has(backendName) || !ENTRIES.includes(backendName)) return;
  known.add(backendName);
  const what = `the kernels for ${backendName} were not imported, so ops run as compositions there`;
  console.warn(`tfjs-hadanorm: ${what}. Add: import 'tfjs-hadanorm/${backendName}';`);
}
