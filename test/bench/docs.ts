/**
 * npm run bench:docs -- FILE …: writes docs/wasm-benchmarks.md and docs/webgl-benchmarks.md from
 * what `npm run bench -- wasm --json FILE` and `npm run bench -- webgl --browser --json FILE`
 * wrote. Files of one engine and GPU that hold different suites are put together; a page that the
 * files have no rows for stays as it is.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMain, ROOT } from '../../scripts/process.js';
import { fillPart, parseTemplate } from '../../src/cli/template.js';
import { markdownTable } from '../../src/cli/textTable.js';
import { type BenchRow, median } from './harness.js';
import type { BenchFile } from './report.js';
import { type BenchTable, tablesOf } from './tables.js';

const TEMPLATE = parseTemplate(readFileSync(new URL('docs.template.md', import.meta.url), 'utf8'));

/** A page of the documentation: the suites whose names begin like its own. */
interface DocsPage {
  /** The part of the template, and the file's name. */
  readonly name: string;
  readonly family: string;
}

/** The page on the WASM kernels, and that on the WebGL ones. */
export const WASM_PAGE: DocsPage = { name: 'wasm-benchmarks', family: 'wasm' };
export const WEBGL_PAGE: DocsPage = { name: 'webgl-benchmarks', family: 'webgl' };

/** Titles of suites; what each measures is the part of the template with its name. */
const TITLES: Readonly<Record<string, string>> = {
  wasm: 'Ops',
  'wasm-linears': 'Linears',
  'wasm-overhead': 'HadaNorm over dynamic quantization',
  'wasm-branch': 'A branch of 16 directions',
  'wasm-memory': 'Against a copy',
  'wasm-limit': 'Against the machine',
  'wasm-models': 'Whole models',
  'webgl-hadamard': 'HadamardTransform',
  'webgl-quantize': 'HadaNormQuantize',
  'webgl-linears': 'Linears',
  'wasm-threads': 'Threads',
};

/** The text of a page; null where no file has rows for it. */
export function benchDocs({ name, family }: DocsPage, files: readonly BenchFile[]): string | null {
  const engines = new Map<string, BenchFile>();
  for (const file of files) {
    const own = file.rows.filter(({ suite }) => suite === family || suite.startsWith(`${family}-`));
    if (own.length === 0) continue;
    const engine = engineOf(file);
    const rows = [...(engines.get(engine)?.rows ?? []), ...own];
    engines.set(engine, { ...file, rows });
  }
  if (engines.size === 0) return null;
  const machines = [...new Set([...engines.values()].map(machineOf))];
  // one machine is told at the top, several with their engines
  const [only, ...others] = machines;
  const sections = [...engines].map(([engine, file]) =>
    engineSection(engine, others.length === 0 ? '' : machineOf(file), file.rows),
  );
  const page = fillPart(TEMPLATE, name, {
    machine: others.length === 0 ? only! : '',
    engines: sections.join('\n\n'),
  });
  return `${page}\n`;
}

function machineOf({ machine, versions }: BenchFile): string {
  const { cpu, cores, platform, arch } = machine;
  const about = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return fillPart(TEMPLATE, 'machine', {
    cpu: `${cpu}`,
    cores: `${cores}`,
    system: `${platform} ${arch}`,
    versions: about.join(', '),
  });
}

/** The GPU counts where there is one: rows of two are not put together. */
function engineOf({ runtime }: BenchFile): string {
  const engine = runtime.browser ?? `Node ${runtime.node}`;
  return runtime.adapter === undefined ? engine : `${engine}, ${runtime.adapter}`;
}

function engineSection(engine: string, machine: string, rows: readonly BenchRow[]): string {
  const suites = tablesOf(rows).map((table) =>
    fillPart(TEMPLATE, 'suite', {
      engine,
      title: TITLES[table.suite] ?? table.suite,
      about: TEMPLATE.has(table.suite) ? fillPart(TEMPLATE, table.suite) : '',
      table: markdownTable(table),
    }),
  );
  return fillPart(TEMPLATE, 'engine', {
    engine,
    machine,
    summary: markdownTable(summary(rows)),
    suites: suites.join('\n\n'),
  });
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
    return [TITLES[suite] ?? suite, ours, peer, ...numbers, `${reached} of ${group.length}`];
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
  for (const page of [WASM_PAGE, WEBGL_PAGE]) {
    const text = benchDocs(page, results);
    if (text !== null) writeFileSync(join(ROOT, 'docs', `${page.name}.md`), text);
  }
}
