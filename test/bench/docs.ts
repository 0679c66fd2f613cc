/**
 * npm run bench:docs -- FILE …: writes docs/wasm-benchmarks.md and docs/webgl-benchmarks.md from
 * what `npm run bench -- wasm --json FILE` and `npm run bench -- webgl --browser --json FILE`
 * wrote. Files of one engine and GPU that hold different suites are put together; a page that the
 * files have no rows for stays as it is.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMain, ROOT } from '../../scripts/process.js';
import { markdownTable } from '../../src/cli/textTable.js';
import { type BenchRow, median } from './harness.js';
import type { BenchFile } from './report.js';
import { type BenchTable, tablesOf } from './tables.js';

/** A page of the documentation: the suites whose names begin like its own. */
interface DocsPage {
  readonly file: string;
  readonly family: string;
  readonly intro: readonly string[];
}

const PAGES: readonly DocsPage[] = [
  {
    file: 'wasm-benchmarks.md',
    family: 'wasm',
    intro: [
      '# The WASM kernels, measured',
      'Written by `npm run bench:docs` from the rows of `npm run bench -- wasm --json FILE` (`--browser` for Chromium).',
      'Every figure is a ratio of medians of interleaved samples in one process, on one thread unless it says otherwise: times faster than the peer. In brackets, what the project asks for and whether it is reached.',
    ],
  },
  {
    file: 'webgl-benchmarks.md',
    family: 'webgl',
    intro: [
      '# The WebGL kernels, measured',
      'Written by `npm run bench:docs` from the rows of `npm run bench -- webgl --browser --json FILE`.',
      'Every figure is a ratio of medians of interleaved samples in one page on one adapter: times faster than the peer. A sample is a burst of calls, as many of the peer as of ours; it ends when a number of the last result has come back from the GPU. Tensors stay on the GPU. In brackets, what the project asks for and whether it is reached.',
    ],
  },
];

const SUITES: Readonly<Record<string, readonly [title: string, text: string]>> = {
  wasm: ['Ops', 'Each op against what one would write with tfjs without it, on the same backend.'],
  'wasm-linears': [
    'Linears',
    'From float32 activations in JavaScript to float32 results in WASM memory: centering, scaling, rotating and quantizing the activations, the integer product, the mean’s product and the bias. Weights of 8 bits have a scale for each output channel; 4-bit ones, and 4-bit activations, for each group of 64. tfjs is `tf.fused.matMul` with bias. ORT is ONNX Runtime Web; dynamic int8 is what `quantize_dynamic` writes with `per_channel` (DynamicQuantizeLinear and MatMulInteger). Every result is checked against float32 before it is timed.',
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
  'webgl-hadamard': ['HadamardTransform', 'Against the product by the matrix.'],
  'webgl-quantize': [
    'HadaNormQuantize',
    'From float32 activations to codes, against an elementwise op of tfjs that reads and writes as many texels.',
  ],
  'webgl-linears': [
    'Linears',
    'The linears of DiT-XL/2 against `tf.fused.matMul` with bias: the product by packed weights alone, for codes that are there, and the whole way of a rewritten linear from float32 activations on.',
  ],
  'wasm-threads': ['Threads', 'Two threads against one, on the same shared memory.'],
};

/** The text of a page; null where no file has rows for it. */
export function benchDocs(page: DocsPage, files: readonly BenchFile[]): string | null {
  const engines = new Map<string, BenchFile>();
  for (const file of files) {
    const own = file.rows.filter(({ suite }) => isOf(page, suite));
    if (own.length === 0) continue;
    const name = engineOf(file);
    const rows = [...(engines.get(name)?.rows ?? []), ...own];
    engines.set(name, { ...file, rows });
  }
  if (engines.size === 0) return null;
  const machines = [...new Set([...engines.values()].map(machineOf))];
  const [only, ...others] = machines;
  return [
    ...page.intro,
    ...(others.length === 0 ? [only] : []),
    ...[...engines].flatMap(([name, file]) => {
      const [heading, ...rest] = engineSection(name, file.rows);
      return others.length === 0 ? [heading, ...rest] : [heading, machineOf(file), ...rest];
    }),
    '',
  ].join('\n\n');
}

function machineOf({ machine, versions }: BenchFile): string {
  const { cpu, cores, platform, arch } = machine;
  const about = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `Machine: ${cpu}, ${cores} cores, ${platform} ${arch}. ${about.join(', ')}.`;
}

/** The page on the WASM kernels, and that on the WebGL ones. */
export const [WASM_PAGE, WEBGL_PAGE] = PAGES as [DocsPage, DocsPage];

function isOf({ family }: DocsPage, suite: string): boolean {
  return suite === family || suite.startsWith(`${family}-`);
}

/** The GPU counts where there is one: rows of two are not put together. */
function engineOf({ runtime }: BenchFile): string {
  const engine = runtime.browser ?? `Node ${runtime.node}`;
  return runtime.adapter === undefined ? engine : `${engine}, ${runtime.adapter}`;
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
    console.error('bench:docs: name the files that npm run bench -- wasm|webgl --json wrote');
    process.exit(2);
  }
  const read = (file: string): BenchFile => JSON.parse(readFileSync(file, 'utf8'));
  const results = files.map(read);
  for (const page of PAGES) {
    const text = benchDocs(page, results);
    if (text !== null) writeFileSync(join(ROOT, 'docs', page.file), text);
  }
}
