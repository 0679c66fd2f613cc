import { columnsOf, type MarkdownLine, markdownLines } from '../../src/cli/markdown.js';
import type { Finding } from './finding.js';

/** Columns of a line of code, of a comment, or of prose. */
export const MAX_COLUMNS = 100;

/** How files begin that a script wrote, which are nobody's to break. */
const WRITTEN = '// written by ';

/** Lines of code and comments that are too long. */
export function wideCode(file: string, text: string): Finding[] {
  return text.startsWith(WRITTEN) ? [] : tooWide(file, text.split('\n'));
}

/**
 * Lines of Markdown that are too long: prose, and TypeScript, which the documentation's test runs.
 * Not tables, pictures and other code, which cannot be broken, nor a single word, such as a link.
 */
export function wideMarkdown(file: string, text: string): Finding[] {
  const broken = ({ kind, language, text }: MarkdownLine) =>
    kind === 'code'
      ? language === 'ts'
      : kind === 'heading' || (kind === 'prose' && !ONE_WORD.test(text));
  const lines = markdownLines(text).map((line) => (broken(line) ? line.text : ''));
  return tooWide(file, lines);
}

const ONE_WORD = /^\s*([-*+>]|\d+\.)?\s*\S+$/;

function tooWide(file: string, lines: readonly string[]): Finding[] {
  return lines.flatMap((line, i) => {
    const columns = columnsOf(line);
    if (columns <= MAX_COLUMNS) return [];
    return [{ file, line: i + 1, problem: `${columns} columns, at most ${MAX_COLUMNS}` }];
  });
}
