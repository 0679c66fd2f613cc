import { checkOptions } from '../../ops/common/checks.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { formatDb, formatTimes, groupByRole, METHOD_NAMES, METHODS, printable } from './format.js';
import { headlines } from './htmlHeadlines.js';
import { rulesSection } from './htmlRules.js';
import { SCRIPT, SCRIPT_HASH } from './htmlScript.js';
import { STYLE } from './htmlStyle.js';
import { type DrawPlot, type Plot, plotDrawer } from './htmlSvg.js';
import { linearTable } from './htmlTable.js';
import { Html, html } from './htmlTemplate.js';
import { waysSection } from './htmlWays.js';
import { channelPlot, worstChannels } from './plotHistogram.js';
import { rowLabels } from './plotLabels.js';
import {
  HEAT_COLOURS,
  METHOD_SHAPES,
  methodColour,
  methodPlot,
  outputsOf,
  type Span,
  spanOf,
  timestepPlot,
} from './plots.js';
import type { LinearReport, QuantizationReport } from './report.js';
import { reportGiven } from './reportReader.js';
import { tableLines } from './tables.js';

export interface ReportHtmlOptions {
  /** The page's title and first heading. */
  readonly title?: string;
}

export const REPORT_HTML_DEFAULTS = {
  title: 'Quantization report',
} as const satisfies ReportHtmlOptions;

/** Histograms shown at most. */
const HISTOGRAMS = 6;

/** Nothing may be loaded, and nothing run but its own script, whatever the page's names say. */
const POLICY = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${SCRIPT_HASH}'`;

/**
 * A quantization report as one page, with plots inlined: nothing to load, for light and dark
 * screens. It has the headline figures; output SQNR of each linear by method and by timestep;
 * histograms of the channels before and after the transform, where outliers stand out most; rules
 * for the worst linears, with a button that copies them; and a table of everything, the worst
 * linear first, which a click on a heading sorts. Its one script does these two, and is all that
 * its policy lets run.
 *
 * Plots are drawn with vega and vega-lite, imported at the first call. In a page of script tags,
 * add those of vega and vega-lite.
 *
 * @throws InvalidArgumentError for what is no report, and an option that there is none of.
 * @throws HadaNormError where vega or vega-lite is not to be had.
 *
 * @example
 * ```ts
 * import { reportHtml, type QuantizationReport } from 'tfjs-hadanorm/report';
 *
 * const report: QuantizationReport = {
 *   version: 1,
 *   method: 'hadanorm',
 *   linears: [],
 *   totals: {
 *     sqnr: null,
 *     compared: {},
 *     linearBytes: { before: 0, after: 0 },
 *     modelBytes: { before: 4_000_000, after: 4_000_000 },
 *   },
 * };
 * const page = await reportHtml(report, { title: 'DiT-S/2 in W4A4' });
 * console.log(page.startsWith('<!doctype html>')); // write it to a file and open that
 * ```
 */
export async function reportHtml(
  report: QuantizationReport,
  options: ReportHtmlOptions = {},
): Promise<string> {
  const read = reportGiven('reportHtml', report);
  checkOptions('reportHtml', options, Object.keys(REPORT_HTML_DEFAULTS));
  const { title = REPORT_HTML_DEFAULTS.title } = options;
  if (typeof title !== 'string') {
    throw new InvalidArgumentError('reportHtml', 'options.title', 'a string', describe(title));
  }
  const draw = await plotDrawer();
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${printable(title)}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main>
<h1>${printable(title)}</h1>
<p>SQNR is signal over quantization noise on the calibration data: 6 dB more is half the error.</p>
${headlines(read)}${notesSection(read)}
${await methodSection(read.linears, draw)}
${await channelSection(read.linears, draw)}
${await timestepSection(read.linears, draw)}${waysSection(read.linears)}${rulesSection(read)}
<h2>Every linear</h2>
<p>The worst output first.</p>
${linearTable(read)}${tablesSection(read)}
</main>
<script>${new Html(SCRIPT)}</script>
</body>
</html>
`.toString();
}

function tablesSection(report: QuantizationReport): Html {
  const lines = tableLines(report);
  if (lines.length === 0) return html``;
  return html`
<h2>Tables of embeddings</h2>
<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>`;
}

function notesSection({ notes = [] }: QuantizationReport): Html {
  if (notes.length === 0) return html``;
  return html`
<h2>Notes</h2>
<ul>${notes.map((note) => html`<li>${printable(note)}</li>`)}</ul>`;
}

async function methodSection(all: readonly LinearReport[], draw: DrawPlot): Promise<Html> {
  const heading = html`<h2>Output SQNR by layer and method</h2>`;
  const linears = all.filter((linear) => outputsOf(linear).size > 0);
  const outputs = linears.map(outputsOf);
  const span = spanOf(outputs.flatMap((one) => [...one.values()])) ?? [0, 50];
  if (linears.length === 0) {
    const wayOut = 'calibrate the model, and rewrite it with these statistics';
    return html`${heading}<p>There is no calibration data: ${wayOut}.</p>`;
  }
  const methods = METHODS.filter((method) => outputs.some((one) => one.has(method)));
  const legend = methods.map((method) => {
    const frame = html`width="14" height="14" viewBox="-1.3 -1.3 2.6 2.6" aria-hidden="true"`;
    const mark = html`<path d="${METHOD_SHAPES[method]}" fill="${methodColour(method)}"/>`;
    return html`<li><svg ${frame}>${mark}</svg>${METHOD_NAMES[method]}</li>`;
  });
  return html`${heading}
<p>Further right is better. Linears stand in the model's order, by what they do in it.</p>
<ul class="legend" aria-label="Methods">${legend}</ul>
${await roleFigures(linears, (role, some) => methodPlot(role, some, span), draw)}`;
}

async function channelSection(linears: readonly LinearReport[], draw: DrawPlot): Promise<Html> {
  const panels = worstChannels(linears, HISTOGRAMS);
  const heading = html`<h2>Channels before and after the transform</h2>`;
  if (panels.length === 0) {
    const why = 'they come with calibration data';
    return html`${heading}<p>There are no histograms of channels: ${why}.</p>`;
  }
  const figures = await Promise.all(
    panels.map(async (panel) => {
      const [before, after] = [panel.before, panel.after].map(formatTimes);
      const same = panel.others === 0 ? '' : `, and of ${panel.others} more that read the same`;
      const note = `largest ÷ median channel: ${before} → ${after}${same}`;
      const caption = html`<h3>${printable(panel.name)}</h3><p>${note}</p>`;
      return figure(caption, await draw(channelPlot(panel)));
    }),
  );
  const axes = 'Both axes are logarithmic; each bar counts channels.';
  const legend = html`<li>${swatch('before')}before</li><li>${swatch('after')}after</li>`;
  return html`${heading}
<p>The linears with the largest outliers before the transform. ${axes}</p>
<ul class="legend" aria-label="Histograms">${legend}</ul>
<div class="plots">
${figures}</div>`;
}

async function timestepSection(all: readonly LinearReport[], draw: DrawPlot): Promise<Html> {
  const heading = html`<h2>Output SQNR by layer and timestep</h2>`;
  const linears = all.filter(({ byTimestep }) => byTimestep.length > 0);
  const values = linears.flatMap(({ byTimestep }) => byTimestep.map(({ output }) => output));
  if (linears.length === 0) {
    const wayOut =
      'calibrate with the timestep of each sample, and rewrite the model with these statistics';
    return html`${heading}<p>There is nothing by timestep: ${wayOut}.</p>`;
  }
  const span: Span = spanOf(values) ?? [0, 50];
  const gradient = `background:linear-gradient(to right,${HEAT_COLOURS.join(',')})`;
  const colours = html`<span class="ramp" style="${gradient}"></span>`;
  const ramp = html`<li>${formatDb(span[0])} dB${colours}${formatDb(span[1])} dB</li>`;
  return html`${heading}
<p>Each cell is one linear at one timestep of the denoising. Brighter is better.</p>
<ul class="legend" aria-label="Colours">${ramp}</ul>
${await roleFigures(linears, (role, some) => timestepPlot(role, some, span), draw)}`;
}

/** A figure for each role. */
async function roleFigures(
  linears: readonly LinearReport[],
  plotOf: (role: LinearReport['role'], linears: readonly LinearReport[]) => Plot,
  draw: DrawPlot,
): Promise<Html> {
  const figures = await Promise.all(
    [...groupByRole(linears)].map(async ([role, some]) => {
      const { pattern } = rowLabels(some.map(({ name }) => name));
      const caption = html`<h3>${role}</h3>${pattern !== null && html`<code>${pattern}</code>`}`;
      return figure(caption, await draw(plotOf(role, some)));
    }),
  );
  return html`<div class="plots">
${figures}</div>`;
}

function figure(caption: Html, drawing: Html): Html {
  return html`<figure><figcaption>${caption}</figcaption>${drawing}</figure>
`;
}

function swatch(when: 'before' | 'after'): Html {
  return html`<span class="swatch ${when}"></span>`;
}
