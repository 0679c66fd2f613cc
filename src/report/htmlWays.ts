import { formatDb, NOTHING, printable } from './format.js';
import { type Html, html } from './htmlTemplate.js';
import type { LinearReport } from './report.js';
import { isChosen, wayName } from './ways.js';

/** What the treatment of each linear was chosen from; nothing where nothing was open. */
export function waysSection(all: readonly LinearReport[]): Html {
  const linears = all.filter(({ ways }) => ways !== undefined);
  if (linears.length === 0) return html``;
  const names = [...new Set(linears.flatMap(({ ways }) => ways!.map(wayName)))];
  const headings = names.map((name) => html`<th scope="col" class="number">${name}</th>`);
  return html`
<h2>What was tried</h2>
<p>Output SQNR (dB) of all linears that share an input, each way of treating it measured on the
calibration data; the way that was taken is bold. Of equals it is the cheapest at run time.</p>
<div class="table" role="region" aria-label="Table of what was tried" tabindex="0">
<table>
<thead>
<tr><th scope="col">linear</th>${headings}</tr>
</thead>
<tbody>
${linears.map((linear) => wayRow(linear, names))}</tbody>
</table>
</div>`;
}

function wayRow(linear: LinearReport, names: readonly string[]): Html {
  const byName = new Map(linear.ways!.map((way) => [wayName(way), way]));
  const cells = names.map((name) => {
    const way = byName.get(name);
    if (way === undefined) return html`<td class="number">${NOTHING}</td>`;
    const figure = formatDb(way.output);
    const shown = isChosen(way, linear) ? html`<strong>${figure}</strong>` : figure;
    return html`<td class="number">${shown}</td>`;
  });
  return html`<tr><th scope="row">${printable(linear.name)}</th>${cells}</tr>
`;
}
