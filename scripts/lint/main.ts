/**
 * The project's own part of `npm run lint`, behind Biome: what is wider than 100 columns. Says the
 * places, and exits with 1 where there are any.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMain, ROOT } from '../process.js';
import { lintedFiles } from './files.js';
import type { Finding } from './finding.js';
import { wideCode, wideMarkdown } from './width.js';

/** Everything that is to be mended. */
export function findings(root = ROOT): Finding[] {
  const read = (file: string) => readFileSync(join(root, file), 'utf8');
  const { code, markdown } = lintedFiles(root);
  return [
    ...code.flatMap((file) => wideCode(file, read(file))),
    ...markdown.flatMap((file) => wideMarkdown(file, read(file))),
  ];
}

if (isMain(import.meta.url)) {
  const found = findings();
  for (const { file, line, problem } of found) console.error(`${file}:${line}: ${problem}`);
  if (found.length > 0) process.exitCode = 1;
}
