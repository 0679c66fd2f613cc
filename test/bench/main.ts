/**
 * npm run bench [-- SUITE …] [--json FILE] [--case TEXT] [--rounds N] [--warm MS] [--browser]
 *
 * `npm run bench -- wasm` runs everything about the WASM kernels, in this Node or with --browser in
 * Chromium; `npm run bench -- webgl --browser` everything about the WebGL kernels;
 * `npm run bench -- webgpu` the WebGPU kernels, on Dawn. Only by name:
 * `hadamard-sizes`, every size that has a Hadamard matrix.
 */
import { writeFileSync } from 'node:fs';
import { flag, orExit, readFlags, SWITCH } from '../../src/cli/flags.js';
import { interruptible } from '../../src/cli/interruptible.js';
import { integer, text } from '../../src/cli/readers.js';
import { hadamardSizesSuites, webglHadamardSizes } from './hadamardSizes.js';
import type { BenchRow } from './harness.js';
import { opSuites } from './ops.bench.js';
import { benchFile, benchTables } from './report.js';
import { isAsked, runSuites } from './runSuites.js';
import { wasmSuites } from './wasmSuites.js';
import { webglSuites } from './webglSuites.js';
import { webgpuNodeSuites } from './webgpuNode.js';

const FLAGS = {
  json: flag(text('FILE')),
  rounds: flag(integer(1), '9'),
  warm: flag(integer(0), '500'),
  case: flag(text('TEXT'), ''),
  browser: SWITCH,
};
const { values, others: asked } = orExit(() =>
  readFlags('bench', FLAGS, process.argv.slice(2), { others: 'SUITE …' }),
);
const suites = values.browser
  ? [...wasmSuites, ...webglSuites, webglHadamardSizes]
  : [...opSuites, ...wasmSuites, ...(await webgpuNodeSuites()), ...hadamardSizesSuites];
const unknown = asked.find((name) => !suites.some((suite) => isAsked(suite, name)));
if (unknown !== undefined) {
  const names = suites.map(({ name }) => name).join(', ');
  console.error(`bench: there is no suite ${unknown}; there are ${names}`);
  process.exit(2);
}

const rows: BenchRow[] = [];
const options = (signal: AbortSignal) => ({
  suites: asked,
  text: values.case,
  rounds: values.rounds,
  warmMs: values.warm,
  signal,
  log: (line: string) => console.error(line),
  onRows: (more: readonly BenchRow[]) => void rows.push(...more),
});
let runtime: Record<string, string> = { node: process.versions.node, v8: process.versions.v8 };
await interruptible(async (signal) => {
  if (values.browser) {
    const { benchInBrowser } = await import('./browser.js');
    runtime = await benchInBrowser(options(signal));
  } else {
    await runSuites(suites, options(signal));
  }
}, 'Stopped; these are the rows so far.');
console.log(benchTables(rows));
if (values.json !== null) {
  writeFileSync(values.json, `${JSON.stringify(benchFile(runtime, rows), null, 2)}\n`);
}
