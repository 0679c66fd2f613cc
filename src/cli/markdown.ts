/** What a line of Markdown is, as far as its width goes. */
export type MarkdownKind = 'prose' | 'heading' | 'table' | 'image' | 'comment' | 'code' | 'blank';

export interface MarkdownLine {
  readonly text: string;
  readonly kind: MarkdownKind;
  /** Of a fence, what is written behind it, such as 'ts'; else ''. */
  readonly language: string;
}

/** Columns of prose. */
const COLUMNS = 100;

/** What begins an item of a list or a quotation, and the spaces before its text. */
const ITEM = /^(\s*(?:[-*+]|\d+\.)\s+|\s*>\s?)/;

/**
 * What stays with the word before it: at the start of a line it would begin a list, a heading, a
 * quotation or a table, or is a unit without its number.
 */
const CLINGS = /^([-+*]|#+|>|\d+[.)]|\|.*|[%×][.,;:)]*)$/;

/** A word: code between backticks, a short link and what else has no spaces, in a run. */
const WORD = /(?:`+[^`]*`+|\[[^[\]`]{1,40}\]\([^\s)]*\)|\S)+/g;

/** The lines of a Markdown file, fences by their language. */
export function markdownLines(text: string): MarkdownLine[] {
  let fence: { readonly mark: string; readonly language: string } | null = null;
  return text.split('\n').map((line) => {
    const found = /^\s*(`{3,}|~{3,})\s*(\w*)/.exec(line);
    if (fence !== null) {
      const { mark, language } = fence;
      if (found?.[1]?.startsWith(mark)) fence = null;
      return { text: line, kind: 'code', language };
    }
    if (found !== null) {
      fence = { mark: found[1]!, language: found[2]! };
      return { text: line, kind: 'code', language: fence.language };
    }
    return { text: line, kind: kindOf(line), language: '' };
  });
}

function kindOf(line: string): MarkdownKind {
  if (line.trim() === '') return 'blank';
  if (/^\s*\|.*\|\s*$/.test(line)) return 'table';
  if (/^\s*<!--.*-->\s*$/.test(line)) return 'comment';
  if (/^#+ /.test(line)) return 'heading';
  return /^\s*!\[.*\]\(.*\)\s*$/.test(line) ? 'image' : 'prose';
}

/**
 * Prose and lists of a Markdown file in lines of at most 100 columns, each as long as it can be;
 * everything else as it is. Code between backticks is not broken, nor a short link.
 */
export function wrapMarkdown(text: string): string {
  const out: string[] = [];
  let paragraph: { readonly first: string; readonly rest: string; words: string } | null = null;
  const end = () => {
    if (paragraph !== null) out.push(...wrapped(paragraph));
    paragraph = null;
  };
  for (const { text: line, kind } of markdownLines(text)) {
    if (kind !== 'prose') {
      end();
      out.push(line);
      continue;
    }
    const item = ITEM.exec(line)?.[1];
    if (item !== undefined || paragraph === null) {
      end();
      const first = item ?? /^\s*/.exec(line)![0];
      const rest = item?.includes('>') ? first : ' '.repeat(first.length);
      paragraph = { first, rest, words: line.slice(first.length) };
    } else {
      paragraph.words += ` ${line.trim()}`;
    }
  }
  end();
  return out.join('\n');
}

function wrapped({ first, rest, words }: { first: string; rest: string; words: string }): string[] {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const atom of atomsOf(words)) {
    if (!isEmpty && columnsOf(line) + 1 + columnsOf(atom) > COLUMNS) {
      lines.push(line);
      line = rest;
      isEmpty = true;
    }
    line += isEmpty ? atom : ` ${atom}`;
    isEmpty = false;
  }
  return [...lines, line];
}

/** What cannot be broken: words, code, and what clings to the word before it. */
function atomsOf(words: string): string[] {
  const atoms: string[] = [];
  for (const word of words.match(WORD) ?? []) {
    if (CLINGS.test(word) && atoms.length > 0) atoms[atoms.length - 1] += ` ${word}`;
    else atoms.push(word);
  }
  return atoms;
}

/** Code points: a µ is one column, however many bytes it takes. */
export function columnsOf(text: string): number {
  return [...text].length;
}
