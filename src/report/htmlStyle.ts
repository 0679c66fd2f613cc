/**
 * The page's style sheet: light and dark, and colours that colour-blind readers can tell apart
 * (after Okabe and Ito).
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1c2128; --soft: #57606a; --line: #9aa4af;
  --grid: #e3e7eb;
  --hadanorm: #0072b2; --centered: #a8487f; --hadamard: #008a64; --smoothquant: #b97f00;
  --rtn: #d04a00;
  --before: #d04a00; --after: #0072b2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1216; --card: #181d23; --text: #e6e9ed; --soft: #9ba6b2; --line: #5a6672;
    --grid: #2a313a;
    --hadanorm: #56b4e9; --centered: #e08fc0; --hadamard: #2fc296; --smoothquant: #e6b020;
    --rtn: #ff7f4d;
    --before: #ff7f4d; --after: #56b4e9;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif;
}
main { max-width: 1240px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 36px 0 4px; }
h3 { font-size: 14px; margin: 0; overflow-wrap: anywhere; }
p { margin: 0 0 12px; color: var(--soft); max-width: 75ch; }
code { font: 12px ui-monospace, monospace; color: var(--soft); overflow-wrap: anywhere; }
.cards {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 210px), 1fr)); gap: 12px;
  margin: 20px 0 0;
}
.cards div, figure {
  background: var(--card); border: 1px solid var(--grid); border-radius: 10px; padding: 12px 14px;
}
.cards dt { font-size: 13px; color: var(--soft); }
.cards dd { margin: 0; }
.cards .figure {
  font-size: 23px; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums;
}
.cards .note { font-size: 13px; color: var(--soft); overflow-wrap: anywhere; }
.plots {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); gap: 12px;
}
figure { margin: 0; }
figcaption { margin-bottom: 8px; }
figcaption p { margin: 0; font-size: 13px; }
svg { display: block; }
.plots svg { width: 100%; height: auto; }
.legend {
  display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; margin: 0 0 12px; padding: 0;
  font-size: 13px;
}
.legend li { display: flex; align-items: center; gap: 6px; }
.swatch { width: 14px; height: 12px; }
.before { background: var(--before); opacity: 0.45; }
.after { background: var(--after); opacity: 0.85; }
.ramp { width: 160px; height: 12px; border-radius: 3px; }
.table {
  overflow-x: auto; background: var(--card); border: 1px solid var(--grid); border-radius: 10px;
}
.table:focus-visible { outline: 2px solid var(--hadanorm); outline-offset: 2px; }
table {
  border-collapse: separate; border-spacing: 0; font-size: 12px; font-variant-numeric: tabular-nums;
  white-space: nowrap;
}
th, td {
  padding: 5px 4px; text-align: left; border-bottom: 1px solid var(--grid);
  vertical-align: baseline;
}
.number { text-align: right; }
thead th {
  vertical-align: bottom; color: var(--soft); font-weight: 600; font-size: 11px; line-height: 1.2;
  white-space: normal;
}
th button, .copy { font: inherit; color: inherit; cursor: pointer; }
th button { background: none; border: 0; padding: 0; text-align: inherit; }
th button:hover { text-decoration: underline; }
[aria-sort='ascending'] button::after { content: ' ▲'; }
[aria-sort='descending'] button::after { content: ' ▼'; }
.copy {
  font-size: 13px; padding: 4px 12px; border: 1px solid var(--line); border-radius: 6px;
  background: var(--card); color: var(--text);
}
td:not(.number) { white-space: normal; }
thead th[colspan] { text-align: center; border-left: 1px solid var(--grid); }
tbody th {
  font-weight: 400; font-family: ui-monospace, monospace; font-size: 12px; white-space: normal;
  overflow-wrap: anywhere; min-width: 150px;
}
tbody th, tfoot th, thead th[rowspan] {
  position: sticky; left: 0; background: var(--card); border-right: 1px solid var(--grid);
}
tbody tr:hover > * { background: var(--grid); }
tfoot > tr > * { font-weight: 600; border-bottom: 0; }
.reasons { color: var(--soft); }
sup { line-height: 0; }
.rules { overflow-x: auto; user-select: all; font-size: 12px; }
@media (max-width: 600px) {
  tbody th, tfoot th, thead th[rowspan] { position: static; min-width: 190px; }
  .plots figure { padding: 10px 8px; }
}
@media print { .table { overflow: visible; } figure { break-inside: avoid; } }
`;
