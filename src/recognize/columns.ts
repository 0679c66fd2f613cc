/** Spaces between columns. */
const GAP = '  ';

/**
 * A table as plain text: a heading, a rule, and the rows, in columns as wide as what stands in
 * them. Own code, for a package that prints tables would be in every bundle of a browser.
 */
export function inColumns(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, i) =>
    rows.reduce((width, row) => Math.max(width, row[i]!.length), name.length),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join(GAP)
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width));
  return [head, rule, ...rows].map(line).join('\n');
}
