import { formatBytes, formatDb, NOTHING } from '../../../src/report/format.js';
import { COLUMNS, type Column, type Figures } from '../shared/protocol.js';
import type { Settings } from '../shared/settings.js';
import { columnTitle } from './columns.js';
import { byId, element } from './dom.js';

/** A row of the table. */
interface Row {
  readonly title: string;
  readonly figure: keyof Figures;
  format(value: number): string;
  /** What to say below the value: how it stands to the original's. */
  readonly below: 'share' | null;
  /** Whether the better of the quantized models is set off. */
  readonly best: boolean;
}

const ROWS: readonly Row[] = [
  { title: 'Time of a step', figure: 'stepMs', format: formatMs, below: 'share', best: false },
  { title: 'Download', figure: 'fileBytes', format: formatBytes, below: 'share', best: false },
  {
    title: 'Weights in memory',
    figure: 'weightBytes',
    format: formatBytes,
    below: 'share',
    best: false,
  },
  { title: 'GPU memory', figure: 'gpuBytes', format: formatBytes, below: 'share', best: false },
  { title: 'PSNR to the original', figure: 'psnr', format: decibels, below: null, best: true },
  { title: 'SQNR, mean of layers', figure: 'sqnr', format: decibels, below: null, best: true },
];

/** The table of what each model costs and keeps. */
export class FiguresView {
  private readonly table = byId<HTMLTableElement>('figures');
  private known: Record<Column, Partial<Figures>> = { fp32: {}, rtn: {}, small: {} };
  private settings: Settings | null = null;

  /** Begins anew. */
  reset(settings: Settings): void {
    this.settings = settings;
    this.known = { fp32: {}, rtn: {}, small: {} };
    byId('slower').replaceChildren();
    this.render();
  }

  /** Says why a step of a column takes longer than the original's. */
  explain(column: Column, reason: string): void {
    const title = columnTitle(column, this.settings!);
    const text = `${title} is slower than the original: ${reason}.`;
    byId('slower').append(element('p', { className: 'hint' }, text));
  }

  /** Takes what became known of a column. */
  add(column: Column, figures: Partial<Figures>): void {
    this.known[column] = { ...this.known[column], ...figures };
    this.render();
  }

  private render(): void {
    const titles = COLUMNS.map((column) => columnTitle(column, this.settings!));
    const head = element('tr', {}, element('td'), ...titles.map((title) => header('col', title)));
    const rows = ROWS.filter(({ figure }) => figure !== 'gpuBytes' || this.hasGpu()).map((row) =>
      element('tr', {}, header('row', row.title), ...COLUMNS.map((one) => this.cell(row, one))),
    );
    this.table.replaceChildren(element('thead', {}, head), element('tbody', {}, ...rows));
  }

  private hasGpu(): boolean {
    return typeof this.known.fp32.gpuBytes === 'number';
  }

  private cell({ figure, format, below, best }: Row, column: Column): HTMLElement {
    const value = this.known[column][figure] ?? null;
    if (value === null || Number.isNaN(value)) return element('td', {}, NOTHING);
    const cell = element('td', {}, format(value));
    cell.dataset.value = `${value}`;
    const whole = this.known.fp32[figure];
    if (below === 'share' && column !== 'fp32' && typeof whole === 'number') {
      cell.append(element('small', {}, `${(value / whole).toFixed(2)} ×`));
    }
    const both = [this.known.rtn[figure], this.known.small[figure]];
    const all = both.filter((one): one is number => typeof one === 'number');
    cell.classList.toggle('best', best && all.length === 2 && value === Math.max(...all));
    return cell;
  }
}

function header(scope: 'col' | 'row', text: string): HTMLElement {
  return element('th', { scope }, text);
}

function formatMs(value: number): string {
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

function decibels(value: number): string {
  return `${formatDb(value)} dB`;
}
