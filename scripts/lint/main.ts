/**
 * The project's own part of `npm run lint`, behind Biome: what is wider than 100 columns, and links
 * of Markdown that lead nowhere. Says the places, and exits with 1 where there are any. With
 * `--write`, as `npm run format` has it, the prose of Markdown is wrapped first.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { wrapMarkdown } from '../../src/cli/markdown.js';
import { isMain, ROOT } from '../process.js';
import { lintedFiles } from './files.js';
import type { Finding } from './finding.js';
import { brokenLinks } from './links.js';
import { wideCode, wideMarkdown } from './width.js';

/** Everything that is to be mended. */
export function findings(root = ROOT): Finding[] {
  const read = (file: string) => readFileSync(join(root, file), 'utf8');
  const exists = (path: string) => existsSync(join(root, path));
  const { code, markdown } = lintedFiles(root);
  return [
    ...code.flatMap((file) => wideCode(file, read(file))),
    ...markdown.flatMap((file) => wideMarkdown(file, read(file))),
    ...markdown.flatMap((file) => brokenLinks(file, read(file), { read, exists })),
  ];
}

/** Wraps what prose there is. */
function wrapAll(): void {
  for (const file of lintedFiles().markdown) {
    const path = join(ROOT, file);
    const text = readFileSync(path, 'utf8');
    const wrapped = wrapMarkdown(text);
    if (wrapped !== text) writeFileSync(path, wrapped);
  }
}

if (isMain(import.meta.url)) {
  if (process.argv.includes('--write')) wrapAll();
  const found = findings();
  for (const { file, line, problem } of found) console.error(`${file}:${line}: ${problem}`);
  if (found.length > 0) process.exitCode = 1;
}
