import { posix } from 'node:path';
import { markdownLines } from '../../src/cli/markdown.js';
import type { Finding } from './finding.js';

/** Pages that are filled in stand in docs/, wherever their template lies. */
const TEMPLATE = /\.template\.md$/;

/** What is not looked at: addresses with a scheme, and marks that are yet to be filled in. */
const ELSEWHERE = /^[a-z][a-z+.-]*:|\{\{/i;

/**
 * Links of a page to a file or folder of the project that is not there, or to a heading that its
 * page does not have.
 *
 * @param read The text of a Markdown file; `exists` knows all files and folders.
 */
export function brokenLinks(
  file: string,
  text: string,
  { read, exists }: { read: (file: string) => string; exists: (path: string) => boolean },
): Finding[] {
  const folder = TEMPLATE.test(file) ? 'docs' : posix.dirname(file);
  return linksOf(text).flatMap(({ line, target }) => {
    if (ELSEWHERE.test(target)) return [];
    const [path = '', anchor] = target.split('#');
    const to = path === '' ? file : posix.join(folder, decodeURI(path));
    if (!exists(to)) return [{ file, line, problem: `links to ${to}, which is not there` }];
    if (anchor === undefined || !to.endsWith('.md') || anchorsOf(read(to)).has(anchor)) return [];
    return [{ file, line, problem: `links to ${to}#${anchor}, which has no such heading` }];
  });
}

/** Targets of links and pictures, code apart, with the lines that they begin in. */
function linksOf(text: string): { line: number; target: string }[] {
  const lines = markdownLines(text).map(({ kind, text: line }) => (kind === 'code' ? '' : line));
  // over line ends: the text of a link may be broken
  const prose = lines.join('\n').replace(/`[^`\n]*`/g, (code) => ' '.repeat(code.length));
  return [...prose.matchAll(/\]\(\s*([^)\s]+)[^)]*\)/g)].map((found) => ({
    line: prose.slice(0, found.index).split('\n').length,
    target: found[1]!,
  }));
}

/** As GitHub makes them of headings: in small letters, without punctuation, with hyphens. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const { kind, text: line } of markdownLines(text)) {
    if (kind !== 'heading') continue;
    const words = line.replace(/^#+ /, '').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');
    const anchor = words
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .trim();
    const plain = anchor.replaceAll(' ', '-');
    let name = plain;
    for (let again = 1; anchors.has(name); again++) name = `${plain}-${again}`;
    anchors.add(name);
  }
  return anchors;
}
