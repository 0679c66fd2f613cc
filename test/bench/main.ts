/**
 * npm run bench [-- SUITE …] [--json FILE] [--rounds N] [--case TEXT] [--browser]
 *
 * `npm run bench -- wasm` runs everything about the WASM kernels, in this Node or with --browser in Chromium.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { BenchRow } from './harness.js';
import { opSuites } from './ops.bench.js';
import { benchFile, benchTables } from './report.js';
import { isAsked, runSuites } from './runSuites.js';
import { wasmSuites } from './wasmSuites.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    rounds: { type: 'string', default: '9' },
    case: { type: 'string', default: '' },
    browser: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1)
  fail(`--rounds must be an integer ≥ 1, got ${values.rounds}`);
const suites = values.browser ? wasmSuites : [...opSuites, ...wasmSuites];
const unknown = positionals.find((name) => !suites.some((suite) => isAsked(suite, name)));
if (unknown !== undefined) {
  fail(`there is no suite ${unknown}; there are ${suites.map(({ name }) => name).join(', ')}`);
}

const abort = new AbortController();
process.once('SIGINT', () => abort.abort());
const rows: BenchRow[] = [];
const options = {
  suites: positionals,
  text: values.case,
  rounds,
  signal: abort.signal,
  log: (line: string) => console.error(line),
  onRows: (more: readonly BenchRow[]) => void rows.push(...more),
};
let runtime: Record<string, string> = { node: process.versions.node, v8: process.versions.v8 };
try {
  if (values.browser) {
    const { benchInBrowser } = await import('./browser.js');
    runtime = await benchInBrowser(options);
  } else {
    await runSuites(suites, options);
  }
} catch (error) {
  if (!abort.signal.aborted) throw error;
  console.error('Stopped; these are the rows so far.');
  process.exitCode = 130;
}
console.log(benchTables(rows));
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify(benchFile(runtime, rows), null, 2)}\n`);
}

function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}
