/**
 * npm run bench [-- SUITE …] [--json FILE] [--case TEXT] [--rounds N] [--warm MS] [--browser]
 *
 * `npm run bench -- wasm` runs everything about the WASM kernels, in this Node or with --browser in
 * Chromium; `npm run bench -- webgl --browser` everything about the WebGL kernels.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { BenchRow } from './harness.js';
import { opSuites } from './ops.bench.js';
import { benchFile, benchTables } from './report.js';
import { isAsked, runSuites } from './runSuites.js';
import { wasmSuites } from './wasmSuites.js';
import { webglSuites } from './webglSuites.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    rounds: { type: 'string', default: '9' },
    warm: { type: 'string', default: '500' },
    case: { type: 'string', default: '' },
    browser: { type: 'boolean', default: false },
  },
});
const rounds = integer('rounds', 1);
const warmMs = integer('warm', 0);
const suites = values.browser ? [...wasmSuites, ...webglSuites] : [...opSuites, ...wasmSuites];
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
  warmMs,
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

function integer(option: 'rounds' | 'warm', min: number): number {
  const value = Number(values[option]);
  if (Number.isInteger(value) && value >= min) return value;
  return fail(`--${option} must be an integer ≥ ${min}, got ${values[option]}`);
}

function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}
