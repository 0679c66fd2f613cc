import type { BuildOptions } from 'esbuild';

/** How esbuild bundles TypeScript for a page of tests or benchmarks. */
export const PAGE_BUILD = {
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  sourcemap: 'inline',
  write: false,
  // tests are not listed among the package's side effects
  ignoreAnnotations: true,
} as const satisfies BuildOptions;
