/** A table as text; its first `texts` columns are words (default 1), the others figures. */
export interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly texts?: number;
}

/** For a Markdown file. */
export function markdownTable({ head, rows, texts = 1 }: TextTable): string {
  const rule = head.map((_, i) => (i < texts ? '---' : '---:'));
  const escaped = [head, rule, ...rows].map((cells) =>
    cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | '),
  );
  return escaped.map((line) => `| ${line} |`).join('\n');
}
