import type { OpSupport } from '../../../src/index.js';

/** The support matrix as docs/ops.md's Markdown table. */
export function supportTable(rows: readonly OpSupport[]): string {
  const names = Object.keys(rows[0]?.backends ?? {});
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(['op', ...names]),
    line(['---', ...names.map(() => '---')]),
    ...rows.map(({ op, backends }) =>
      line([`\`${op}\``, ...names.map((name) => `${backends[name]}`)]),
    ),
  ].join('\n');
}
