import type { LayerPlots } from '../shared/protocol.js';
import { byId, element } from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';

/** Shows the plots of all layers; without any, why not. Null hides them. */
export function showLayers(layers: LayerPlots | null): void {
  byId('layers').hidden = layers === null;
  if (layers === null) return;
  const { plots, legend, missing } = layers;
  byId('legend').replaceChildren(
    ...legend.map(({ name, path, colour }) => element('li', {}, mark(path, colour), name)),
  );
  const figures = plots.map(({ role, pattern, svg }) => {
    const caption = element('figcaption', {}, element('h3', {}, role));
    if (pattern !== '') caption.append(element('code', {}, pattern));
    return element('figure', {}, caption, imported(svg));
  });
  byId('plots').replaceChildren(...(missing === '' ? figures : [element('p', {}, missing)]));
}

/** A drawing as nodes of the page; parsed as XML, nothing in it runs. */
function imported(svg: string): Node {
  const parsed = new DOMParser().parseFromString(svg, 'image/svg+xml');
  return document.importNode(parsed.documentElement, true);
}

function mark(path: string, colour: string): Element {
  const svg = document.createElementNS(SVG, 'svg');
  const attributes = { width: 14, height: 14, viewBox: '-1.3 -1.3 2.6 2.6', 'aria-hidden': true };
  for (const [name, value] of Object.entries(attributes)) svg.setAttribute(name, `${value}`);
  const shape = document.createElementNS(SVG, 'path');
  shape.setAttribute('d', path);
  shape.setAttribute('fill', colour);
  svg.append(shape);
  return svg;
}
