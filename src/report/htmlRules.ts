import { formatBytes, formatDb } from './format.js';
import { type Html, html } from './htmlTemplate.js';
import { recommendRules } from './recipe.js';
import { sitesOf } from './recipeChoices.js';
import { bestOf } from './recipeSearch.js';
import { countsOf } from './recipeText.js';
import type { QuantizationReport } from './report.js';

/**
 * Rules that bring the linears below the mean up to it, or as near as may be, to be copied: one
 * click selects them all. Nothing where there are none.
 */
export function rulesSection(report: QuantizationReport): Html {
  const mean = report.totals.sqnr?.output;
  const transformed = report.linears.filter(({ treatment }) => treatment === 'transformed');
  const measured = transformed.every(({ sqnr, at8Bits }) => sqnr !== null && at8Bits !== null);
  if (mean === undefined || transformed.length === 0 || !measured) return html``;
  const best = Math.min(...sitesOf(report).map(bestOf));
  const minSqnr = Math.min(mean, best);
  if (!Number.isFinite(minSqnr)) return html``;
  const { rules, expected } = recommendRules(report, { minSqnr });
  if (rules.length === 0) return html``;
  const text = rules.map((rule) => `  ${JSON.stringify(rule)},`).join('\n');
  const count = countsOf(rules);
  const what = `no linear's output below ${formatDb(expected.minSqnr)} dB`;
  return html`
<h2>Rules for the worst linears</h2>
<p>${count}: ${what}, in a model of ${formatBytes(expected.modelBytes)}. Pass them to
<code>quantize</code> or <code>rewriteGraph</code>; a click selects them.</p>
<pre class="rules" tabindex="0" aria-label="Rules as JavaScript">rules: [
${text}
]</pre>`;
}
