/**
 * npm run bench:docs -- FILE …: writes docs/wasm-benchmarks.md from what `npm run bench -- wasm --json FILE` wrote, one file
 * for each engine. Files of one engine that hold different suites are put together.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownTable } from '../../models/textTable.js';
import { isMain, ROOT } from '../../scripts/process.js';
import { type BenchRow, median } from './harness.js';
import type { BenchFile } from './report.js';
import { type BenchTable, tablesOf } from './tables.js';

const DOCS_FILE = join(ROOT, 'docs', 'wasm-benchmarks.md');

const SUITES: Readonly<Record<string, readonly [title: string, text: string]>> = {
  wasm: ['Ops', 'Each op against what one would write with tfjs without it, on the same backend.'],
  'wasm-linears': [
    'Linears',
    'From float32 activations in JavaScript to float32 results in WASM memory: centring, scaling, rotating and quantizing the activations, the integer product, the mean’s product and the bias. Weights of 8 bits have a scale for each output channel; 4-bit ones, and 4-bit activations, for each group of 64. tfjs is `tf.fused.matMul` with bias. ORT is ONNX Runtime Web; dynamic int8 is what `quantize_dynamic` writes with `per_channel` (DynamicQuantizeLinear and MatMulInteger). Every result is checked against float32 before it is timed.',
  ],
  'wasm-overhead': [
    'HadaNorm over dynamic quantization',
    'The same linear, its activations quantized and nothing else: no mean, no scale, no rotation, no correction.',
  ],
  'wasm-memory': [
    'Against a copy',
    'The ratio is a share of the bandwidth of a plain copy of the float32 input within the same memory: `memmove`, and a loop of 128-bit loads and stores, which is all that WASM has.',
  ],
  'wasm-limit': [
    'Against the machine',
    'The integer product alone. `× an addition a cycle` is multiply-adds a cycle. `× … alone` is how near the product comes to the instruction it is made of, run on registers in the same engine: 1 is the limit.',
  ],
  'wasm-models': [
    'Whole models',
    'One sample through a seeded DiT, inputs to output. ORT runs the same model, written from the same weights, its float32 output equal to ours to 1e-4.',
  ],
  'wasm-threads': ['Threads', 'Two threads against one, on the same shared memory.'],
};

/** The text of docs/wasm-benchmarks.md. */
export function wasmDocs(files: readonly BenchFile[]): string {
  const engines = new Map<string, BenchFile>();
  for (const file of files) {
    const name = engineOf(file);
    const rows = [...(engines.get(name)?.rows ?? []), ...file.rows];
    engines.set(name, { ...file, rows });
  }
  const [first] = engines.values();
  if (first === undefined) throw new Error('wasmDocs needs a file of rows at least.');
  const { machine, versions } = first;
  const about = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    '# The WASM kernels, measured',
    'Written by `npm run bench:docs` from the rows of `npm run bench -- wasm --json FILE` (`--browser` for Chromium).',
    'Every figure is a ratio of medians of interleaved samples in one process, on one thread unless it says otherwise: times faster than the peer. In brackets, what the project asks for and whether it is reached.',
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.platform} ${machine.arch}. ${about.join(', ')}.`,
    ...[...engines].flatMap(([name, file]) => engineSection(name, file.rows)),
    '',
  ].join('\n\n');
}

function engineOf({ runtime }: BenchFile): string {
  return runtime.browser ?? `Node ${runtime.node}`;
}

function engineSection(name: string, rows: readonly BenchRow[]): string[] {
  const tables = tablesOf(rows);
  const sections = tables.flatMap((table) => {
    const [title, text] = SUITES[table.suite] ?? [table.suite, ''];
    return [`### ${name}: ${title}`, text, markdownTable(table)];
  });
  return [
    `## ${name}`,
    'What is asked for, over all cases:',
    markdownTable(summary(rows)),
    ...sections,
  ];
}

/** For each bar, how many cases reach it. */
function summary(rows: readonly BenchRow[]): BenchTable {
  const groups = new Map<string, BenchRow[]>();
  for (const row of rows) {
    if (row.bar === undefined) continue;
    const key = [row.suite, row.ours, row.peer, row.bar].join('\n');
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const lines = [...groups.values()].map((group) => {
    const [{ suite, ours, peer, bar }] = group as [BenchRow];
    const ratios = group.map(({ ratio }) => ratio);
    const reached = ratios.filter((ratio) => ratio >= bar!).length;
    const numbers = [bar!, median(ratios), Math.min(...ratios)].map((n) => n.toPrecision(3));
    return [SUITES[suite]?.[0] ?? suite, ours, peer, ...numbers, `${reached} of ${group.length}`];
  });
  const head = ['', 'ours', 'peer', 'asked', 'median', 'least', 'reached'];
  return { suite: '', head, rows: lines, texts: 3 };
}

if (isMain(import.meta.url)) {
  const files = process.argv.slice(2);
  if (files.length === 0) {
    console.error('bench:docs: name the files that npm run bench -- wasm --json wrote');
    process.exit(2);
  }
  const read = (file: string): BenchFile => JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(DOCS_FILE, wasmDocs(files.map(read)));
}
