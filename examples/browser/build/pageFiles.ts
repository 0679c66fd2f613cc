import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Plugin } from 'vite';
import { MODELS } from '../shared/choices.js';

/** What the dev server says of a file that it serves. */
const TYPES: Readonly<Record<string, string>> = {
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.bin': 'application/octet-stream',
};

/** Files that the page fetches by name: trained models in `models/`, tfjs's binaries in `wasm/`. */
export function pageFiles(root: string): Plugin {
  const files = filesOf(root);
  return {
    name: 'files of the page',
    generateBundle() {
      for (const [fileName, path] of files) {
        this.emitFile({ type: 'asset', fileName, source: readFileSync(path) });
      }
    },
    configureServer({ middlewares }) {
      middlewares.use((request, response, next) => {
        const name = (request.url ?? '').replace(/^\//, '').replace(/\?.*/, '');
        const path = files.get(name);
        if (path === undefined) return next();
        response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
        response.end(readFileSync(path));
      });
    },
  };
}

/** Paths by the names that the page knows the files by. */
function filesOf(root: string): Map<string, string> {
  const folders = [
    ...MODELS.map(({ name }) => [`models/${name}`, join(root, 'models', name), /\.(json|bin)$/]),
    ['wasm', join(root, 'node_modules', '@tensorflow', 'tfjs-backend-wasm', 'dist'), /\.wasm$/],
  ] as [string, string, RegExp][];
  return new Map(
    folders.flatMap(([name, folder, wanted]) =>
      readdirSync(folder)
        .filter((file) => wanted.test(file))
        .map((file) => [`${name}/${file}`, join(folder, file)] as const),
    ),
  );
}
