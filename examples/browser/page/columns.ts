import { labelsOf, methodTitle, offered } from '../shared/choices.js';
import { noiseOf, rgbaOf } from '../shared/pixels.js';
import { COLUMNS, type Column, type Frame } from '../shared/protocol.js';
import type { Settings } from '../shared/settings.js';
import { byId, element } from './dom.js';

/** What a column's model is called. */
export function columnTitle(column: Column, { source, method }: Settings): string {
  if (column === 'fp32') return 'Original';
  if (column === 'rtn') return 'Rounded';
  return source === 'packed' ? 'Packed' : methodTitle(method);
}

/** The three models' pictures side by side. */
export class ColumnsView {
  private readonly canvases = new Map<Column, readonly HTMLCanvasElement[]>();
  private readonly steps = new Map<Column, HTMLElement>();
  private names: readonly string[] = [];
  private side = 0;

  /** Begins anew: every model at the same noise. */
  reset(settings: Settings): void {
    const { model, pictures, seed, label } = settings;
    const { side, classes } = offered(model);
    this.side = side;
    this.names = labelsOf(label, pictures, classes.length).map((one) => classes[one]!);
    const parts = COLUMNS.map((column) => this.column(column, settings));
    byId('columns').replaceChildren(...parts);
    const noise = rgbaOf(noiseOf(seed, pictures, side), pictures);
    for (const column of COLUMNS) this.paint(column, noise, 'noise');
  }

  /** Shows the pictures of a step. */
  show({ column, step, steps, pictures }: Frame): void {
    const text = step === steps ? `${steps} steps` : `step ${step} of ${steps}`;
    byId(`column-${column}`).classList.remove('waiting');
    this.steps.get(column)!.textContent = text;
    this.paint(column, pictures, text);
  }

  /** Dims the columns whose turn has not come. */
  wait(): void {
    for (const column of COLUMNS) byId(`column-${column}`).classList.add('waiting');
  }

  /** All pictures as one: a row for each model, each picture at least 128 pixels wide. */
  async png(): Promise<Blob> {
    const factor = Math.max(1, Math.round(128 / this.side));
    const [width, gap] = [this.side * factor, 4];
    const sheet = element('canvas', {
      width: this.names.length * (width + gap) - gap,
      height: COLUMNS.length * (width + gap) - gap,
    });
    const context = sheet.getContext('2d')!;
    context.imageSmoothingEnabled = false;
    COLUMNS.forEach((column, row) => {
      this.canvases.get(column)!.forEach((canvas, i) => {
        context.drawImage(canvas, i * (width + gap), row * (width + gap), width, width);
      });
    });
    return new Promise((resolve, reject) => {
      const failed = () => reject(new Error('the browser could not write a PNG'));
      sheet.toBlob((blob) => (blob === null ? failed() : resolve(blob)), 'image/png');
    });
  }

  private column(column: Column, settings: Settings): HTMLElement {
    const { side } = this;
    const canvases = this.names.map(() => element('canvas', { width: side, height: side }));
    this.canvases.set(column, canvases);
    const step = element('p', { className: 'step' }, 'noise');
    this.steps.set(column, step);
    const bits = column === 'fp32' ? 'fp32' : settings.bits;
    const known = column !== 'small' || settings.source === 'quantize';
    const badge = element('span', { className: 'bits' }, known ? bits : 'as its file says');
    const figures = canvases.map((canvas, i) => {
      canvas.setAttribute('role', 'img');
      return element('figure', {}, canvas, element('figcaption', {}, this.names[i]!));
    });
    const grid = element('div', { className: 'pictures' }, ...figures);
    grid.classList.toggle('one', figures.length === 1);
    const heading = element('h2', {}, columnTitle(column, settings), badge);
    const className = `column ${column}`;
    return element('section', { id: `column-${column}`, className }, heading, step, grid);
  }

  private paint(
    column: Column,
    pictures: readonly Uint8ClampedArray<ArrayBuffer>[],
    text: string,
  ): void {
    const title = byId(`column-${column}`).querySelector('h2')!.textContent;
    this.canvases.get(column)!.forEach((canvas, i) => {
      const image = new ImageData(pictures[i]!, this.side, this.side);
      canvas.getContext('2d')!.putImageData(image, 0, 0);
      canvas.setAttribute('aria-label', `${this.names[i]}, ${title}: ${text}`);
    });
  }
}
