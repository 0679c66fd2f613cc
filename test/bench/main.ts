/** npm run bench [-- SUITE …] [--json FILE] [--rounds N] [--case TEXT] */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import Table from 'cli-table3';
import { type BenchRow, race } from './harness.js';
import { opSuites } from './ops.bench.js';

const SUITES = [...opSuites];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'string' },
    rounds: { type: 'string', default: '9' },
    case: { type: 'string', default: '' },
  },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1)
  fail(`--rounds must be an integer ≥ 1, got ${values.rounds}`);
const unknown = positionals.find((name) => SUITES.every((suite) => suite.name !== name));
if (unknown !== undefined) {
  fail(`there is no suite ${unknown}; there are ${SUITES.map(({ name }) => name).join(', ')}`);
}

const abort = new AbortController();
process.once('SIGINT', () => abort.abort());
const rows: BenchRow[] = [];
try {
  await runSuites();
} catch (error) {
  if (!abort.signal.aborted) throw error;
  console.error('Stopped; these are the rows so far.');
  process.exitCode = 130;
}
report();

async function runSuites(): Promise<void> {
  for (const { name, missing, prepare } of SUITES) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    if (missing !== undefined) {
      console.error(`SKIPPED ${name}: ${missing}`);
      continue;
    }
    const { cases, dispose } = await prepare();
    const chosen = cases.filter((one) => one.name.includes(values.case));
    for (const [i, one] of chosen.entries()) {
      console.error(`${name} ${i + 1}/${chosen.length}: ${one.name}`);
      rows.push(await race(name, one, { rounds, signal: abort.signal }));
    }
    dispose();
  }
}

function report(): void {
  const table = new Table({
    head: ['suite', 'case', 'ours', 'peer', 'ours ms', 'peer ms', 'times faster'],
    colAligns: ['left', 'left', 'left', 'left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    const numbers = [row.oursMs, row.peerMs, row.ratio].map((n) => n.toPrecision(3));
    table.push([row.suite, row.case, row.ours, row.peer, ...numbers]);
  }
  console.log(
    `${table}\nMedians of interleaved samples; only the ratios of one run can be compared.`,
  );
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ ...environment(), rows }, null, 2)}\n`);
  }
}

function environment(): object {
  const own = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const [cpu] = cpus();
  return {
    machine: {
      cpu: cpu?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      platform: process.platform,
      arch: process.arch,
    },
    runtime: { node: process.versions.node, v8: process.versions.v8 },
    versions: { 'tfjs-hadanorm': own.version, ...tf.version },
  };
}

function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}
