/** What a line of Markdown is, as far as its width goes. */
export type MarkdownKind = 'prose' | 'table' | 'image' | 'code';

export interface MarkdownLine {
  readonly text: string;
  readonly kind: MarkdownKind;
  /** Of a fence, what is written behind it, such as 'ts'; else ''. */
  readonly language: string;
}

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
  if (/^\s*\|/.test(line)) return 'table';
  return /^\s*!\[/.test(line) ? 'image' : 'prose';
}
