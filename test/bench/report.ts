import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { version_wasm } from '@tensorflow/tfjs-backend-wasm';
import Table from 'cli-table3';
import type { BenchRow } from './harness.js';
import { type BenchTable, tablesOf } from './tables.js';

/** What `--json` writes. */
export interface BenchFile {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly runtime: Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly BenchRow[];
}

/** Rows as tables for the terminal, one for each suite. */
export function benchTables(rows: readonly BenchRow[]): string {
  const tables = tablesOf(rows).map((table) => `${table.suite}\n${terminalTable(table)}`);
  const note = 'Medians of interleaved samples; only the ratios of one run can be compared.';
  return [...tables, note].join('\n\n');
}

function terminalTable({ head, rows, texts }: BenchTable): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, i) => (i < texts ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows.map((cells) => [...cells]));
  return `${table}`;
}

/** The machine, the versions and the rows. `runtime` is what they ran in. */
export function benchFile(
  runtime: Readonly<Record<string, string>>,
  rows: readonly BenchRow[],
): BenchFile {
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
    runtime,
    versions: {
      'tfjs-hadanorm': own.version,
      ...tf.version,
      'tfjs-backend-wasm': version_wasm,
      'onnxruntime-web': own.devDependencies['onnxruntime-web'],
    },
    rows,
  };
}
