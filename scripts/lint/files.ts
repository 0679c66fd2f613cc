import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../process.js';

const FOLDERS = ['src', 'ops', 'models', 'examples', 'scripts', 'test', 'docs'];
const CODE = /\.(ts|js|mjs|cjs|css|html|py)$/;

/** The files that lint looks at, from the project's folder. Hidden folders hold what tests left. */
export function lintedFiles(root = ROOT): { code: string[]; markdown: string[] } {
  const names = [...namesIn(root, ''), ...FOLDERS.flatMap((folder) => namesBelow(root, folder))];
  return {
    code: names.filter((name) => CODE.test(name)),
    markdown: names.filter((name) => name.endsWith('.md')),
  };
}

function namesIn(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => (folder === '' ? name : `${folder}/${name}`));
}

function namesBelow(root: string, folder: string): string[] {
  const folders = readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => `${folder}/${name}`);
  return [...namesIn(root, folder), ...folders.flatMap((inner) => namesBelow(root, inner))];
}
