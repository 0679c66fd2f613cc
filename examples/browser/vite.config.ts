/**
 * Builds the demo page: `npm run build:demo`. The result is static files with relative addresses,
 * for any host; headers are those that WASM threads want, and are for the host to send.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { wasmThreads } from '../../src/vite.js';
import { pageFiles } from './build/pageFiles.js';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Makes a page cross-origin isolated, which shared memory needs. */
const HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

export default defineConfig({
  root: at('.'),
  base: './',
  // a missing file is a 404, not the page again
  appType: 'mpa',
  publicDir: false,
  resolve: {
    alias: [
      { find: /^tfjs-hadanorm$/, replacement: at('../../src/index.ts') },
      { find: /^tfjs-hadanorm\/(\w+)$/, replacement: at('../../src/$1.ts') },
    ],
    // kernels are registered with the copy that backends and models use
    dedupe: ['@tensorflow/tfjs-core'],
  },
  worker: { format: 'es' },
  plugins: [wasmThreads(), pageFiles(at('../..'))],
  build: {
    outDir: at('../../out/demo'),
    emptyOutDir: true,
    target: 'es2022',
    // vega and tfjs are what they are
    chunkSizeWarningLimit: 2000,
  },
  server: { headers: HEADERS },
  preview: { headers: HEADERS },
});
