import type { TopLevelSpec } from 'vega-lite';
import { Html, html } from './htmlTemplate.js';
import { loadVega } from './htmlVega.js';

/** A Vega-Lite plot and what it says, for readers who do not see it. */
export interface Plot {
  readonly spec: TopLevelSpec;
  readonly title: string;
  readonly description: string;
}

/** Draws a plot as an inline SVG that has a text alternative. */
export type DrawPlot = (plot: Plot) => Promise<Html>;

/** Pixels of every plot; the page scales it up to the width of its column. */
export const PLOT_WIDTH = 340;

/** Colours are left to the page's style sheet, for its light and dark schemes. */
const CONFIG = {
  aria: false,
  background: 'transparent',
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  axis: {
    domainColor: 'var(--line)',
    gridColor: 'var(--grid)',
    tickColor: 'var(--line)',
    labelColor: 'currentColor',
    labelFontSize: 10.5,
    titleColor: 'currentColor',
    titleFontSize: 11,
    titleFontWeight: 'normal',
  },
} as const;

/** Loads vega; every plot drawn after that comes from one place, without a canvas or a page. */
export async function plotDrawer(): Promise<DrawPlot> {
  const { vega, vegaLite } = await loadVega();
  return async ({ spec, title, description }) => {
    const compiled = vegaLite.compile({
      width: PLOT_WIDTH,
      autosize: { type: 'fit-x', contains: 'padding' },
      padding: 2,
      config: CONFIG,
      ...spec,
    } as TopLevelSpec);
    const view = new vega.View(vega.parse(compiled.spec), { renderer: 'none' });
    try {
      return accessible(await view.toSVG(), title, description);
    } finally {
      view.finalize();
    }
  };
}

const ROLES = / (?:role|aria-\w+)="[^"]*"/g;

/** The drawing as one image with a description, in place of vega's root element. */
export function accessible(svg: string, title: string, description: string): Html {
  const viewBox = /viewBox="([\d. -]+)"/.exec(svg)?.[1] ?? '';
  const parts = svg.slice(svg.indexOf('>') + 1, svg.lastIndexOf('</svg>'));
  // vega gives its groups roles, for which each would need a text of its own
  const drawing = new Html(parts.replace(/<g [^>]*>/g, (tag) => tag.replace(ROLES, '')));
  const frame = html`xmlns="http://www.w3.org/2000/svg" viewBox="${viewBox}" role="img"`;
  const content = html`<title>${title}</title>${drawing}`;
  return html`<svg ${frame} aria-label="${description}">${content}</svg>`;
}
