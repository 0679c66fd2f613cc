import type { TopLevelSpec } from 'vega-lite';
import { mean } from '../../../src/math/decibels.js';
import { groupBy } from '../../../src/math/groups.js';
import { accessible } from '../../../src/report/htmlSvg.js';
import { loadVega } from '../../../src/report/htmlVega.js';
import { inOrder } from './cells.js';
import type { PairedRow } from './rows.js';

/** A file of docs/. */
export interface Figure {
  readonly name: string;
  readonly svg: string;
}

/** The file of a model's figure. */
export function figureName(model: string): string {
  return `evaluation-${model}.svg`;
}

/** The rows of a figure: of the most pictures, on the backend with most rows, below 8 bits. */
export function figureRows(rows: readonly PairedRow[]): PairedRow[] {
  const few = rows.filter(({ bits }) => bits !== null && !bits.startsWith('W8'));
  const most = few.reduce((samples, row) => Math.max(samples, row.samples), 0);
  const groups = groupBy(
    few.filter(({ samples }) => samples === most),
    ({ backend }) => backend,
  );
  const [largest = []] = [...groups.values()].sort((a, b) => b.length - a.length);
  return inOrder(largest);
}

/** Quality against bytes, an SVG for each model. @throws HadaNormError where vega is not there. */
export async function figuresOf(rows: readonly PairedRow[]): Promise<Figure[]> {
  const { vega, vegaLite } = await loadVega();
  const figures: Figure[] = [];
  for (const [model, own] of groupBy(rows, (row) => row.model)) {
    const drawn = figureRows(own);
    if (drawn.length === 0) continue;
    const view = new vega.View(vega.parse(vegaLite.compile(specOf(drawn)).spec), {
      renderer: 'none',
    });
    try {
      const title = `${model}: quality against bytes`;
      const svg = accessible(await view.toSVG(), title, descriptionOf(drawn));
      figures.push({ name: figureName(model), svg: `${svg}\n` });
    } finally {
      view.finalize();
    }
  }
  return figures;
}

/** For readers who do not see it. */
function descriptionOf(rows: readonly PairedRow[]): string {
  const marks = rows.map(({ configuration, bits, size, pictures }) => {
    const at = `${mean(pictures).toFixed(1)} dB at ${size.toFixed(3)} of the bytes`;
    return `${configuration} ${bits} ${at}`;
  });
  return `Mean of the pictures' decibels against bytes: ${marks.join(', ')}.`;
}

/** Of about equal area; told apart without colours too. */
const SHAPES = ['circle', 'square', 'cross', 'diamond', 'triangle-up', 'triangle-down'] as const;

const NAMES = { field: 'configuration', type: 'nominal', sort: null } as const;
const BYTES = { title: 'bytes, over those of fp32', format: '.3f', tickCount: 5 } as const;

/** A panel for each bit-width, a mark for each configuration. */
function specOf(rows: readonly PairedRow[]): TopLevelSpec {
  const names = [...new Set(rows.map(({ configuration }) => configuration))];
  const panels = [...new Set(rows.map(({ bits }) => bits!))];
  const values = rows.map(({ configuration, bits, size, pictures }) => ({
    configuration,
    bits,
    size,
    decibels: mean(pictures),
  }));
  return {
    data: { values },
    background: 'white',
    config: { aria: false, font: 'sans-serif', view: { stroke: '#ccc' } },
    facet: { column: { field: 'bits', type: 'nominal', title: null, sort: panels } },
    spec: {
      width: 260,
      height: 220,
      mark: { type: 'point', filled: true, size: 90, opacity: 0.9 },
      encoding: {
        x: {
          field: 'size',
          type: 'quantitative',
          scale: { zero: false, nice: true },
          axis: BYTES,
        },
        y: {
          field: 'decibels',
          type: 'quantitative',
          scale: { zero: false, nice: true },
          axis: { title: 'mean of the pictures, dB' },
        },
        color: { ...NAMES, scale: { domain: names, scheme: 'tableau10' } },
        shape: {
          ...NAMES,
          scale: { domain: names, range: names.map((_, i) => SHAPES[i % SHAPES.length]!) },
        },
      },
    },
  };
}
