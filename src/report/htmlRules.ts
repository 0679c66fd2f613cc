import { formatBytes, formatDb } from './format.js';
import { type Html, html } from './htmlTemplate.js';
import { recommendRules } from './recipe.js';
import { choicesOf } from './recipeChoices.js';
import type { QuantizationReport } from './report.js';

/**
 * Rules that bring the linears below the mean up to it, or as near as 8 bits do, to be copied: one
 * click selects them all. Nothing where there are none.
 */
export function rulesSection(report: QuantizationReport): Html {
  const mean = report.totals.sqnr?.output;
  const transformed = report.linears.filter(({ treatment }) => treatment === 'transformed');
  const measured = transformed.every(({ sqnr, at8Bits }) => sqnr !== null && at8Bits !== null);
  if (mean === undefined || transformed.length === 0 || !measured) return html``;
  const best = Math.min(...choicesOf(report).map(({ at8Bits }) => at8Bits));
  const minSqnr = Math.min(mean, best);
  if (!Number.isFinite(minSqnr)) return html``;
  const { rules, expected } = recommendRules(report, { minSqnr });
  if (rules.length === 0) return html``;
  const text = rules.map((rule) => `  ${JSON.stringify(rule)},`).join('\n');
  const count = `${rules.length} ${rules.length === 1 ? 'linear' : 'linears'} in 8 bits`;
  const what = `no linear's output below ${formatDb(expected.minSqnr)} dB`;
  return html`
<h2>Rules for the worst linears</h2>
<p>${count} give ${what}, in a model of ${formatBytes(expected.modelBytes)}. Pass them to
<code>quantize</code> or <code>rewriteGraph</code>; a click selects them.</p>
<pre class="rules" tabindex="0" aria-label="Rules as JavaScript">rules: [
${text}
]</pre>`;
}
