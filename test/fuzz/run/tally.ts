import { markdownTable } from '../../../src/cli/textTable.js';
import type { Ended } from './watch.js';

const COLUMNS = ['right', 'typed', 'tfjs', 'found'] as const;

/** What came of all cases. */
export class Tally {
  private readonly counts = new Map<string, Record<(typeof COLUMNS)[number], number>>();
  private readonly ofTfjs = new Map<string, number>();
  readonly findings: Ended[] = [];

  add(ended: Ended): void {
    const { kind, outcome } = ended;
    const row = this.counts.get(kind) ?? { right: 0, typed: 0, tfjs: 0, found: 0 };
    this.counts.set(kind, { ...row, [outcome.what]: row[outcome.what] + 1 });
    if (outcome.what === 'found') this.findings.push(ended);
    if (outcome.what !== 'tfjs') return;
    const message = shapeOfMessage(outcome.message);
    this.ofTfjs.set(message, (this.ofTfjs.get(message) ?? 0) + 1);
  }

  get total(): number {
    return this.sum((row) => COLUMNS.reduce((sum, column) => sum + row[column], 0));
  }

  /** How many of one outcome, of all kinds. */
  countOf(what: (typeof COLUMNS)[number]): number {
    return this.sum((row) => row[what]);
  }

  /** All in a line. */
  line(): string {
    const [right, typed, tfjs, found] = COLUMNS.map((column) => this.countOf(column));
    const counts = `${right} right, ${typed} typed, ${tfjs} tfjs's own, ${found} findings`;
    return `${this.total} inputs, ${counts}`;
  }

  /** The kinds of which there were cases. */
  get kinds(): string[] {
    return [...this.counts.keys()];
  }

  /** Outcomes by kind. */
  table(): string {
    const head = ['kind', ...COLUMNS.map((name) => (name === 'tfjs' ? "tfjs's own" : name))];
    const rows = [...this.counts].map(([kind, row]) => [
      kind,
      ...COLUMNS.map((column) => `${row[column]}`),
    ]);
    const totals = COLUMNS.map((column) => `${this.countOf(column)}`);
    return markdownTable({ head, rows: [...rows, ['all', ...totals]] });
  }

  /** What tfjs itself threw, with no code of this package on the stack. */
  tfjsMessages(): string {
    const lines = [...this.ofTfjs].sort((a, b) => b[1] - a[1]);
    return lines.map(([message, count]) => `${`${count}`.padStart(6)}  ${message}`).join('\n');
  }

  private sum(of: (row: Record<(typeof COLUMNS)[number], number>) => number): number {
    return [...this.counts.values()].reduce((sum, row) => sum + of(row), 0);
  }
}

/** A message without what differs from case to case. */
function shapeOfMessage(message: string): string {
  return message
    .replace(/\s+/g, ' ')
    .replace(/\[[^[\]]*\]|"[^"]*"|'[^']*'/g, '…')
    .replace(/blocks\/[\w/]+/g, '…')
    .replace(/-?\d+(\.\d+)?(e[+-]?\d+)?/g, '#')
    .replace(/(#,? ?)+#/g, '#')
    .slice(0, 110);
}
