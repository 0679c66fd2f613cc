/**
 * `npm run build:wasm`: writes the records that TypeScript and the kernels share (wasmRecords) to
 * ops/wasm/records.ts and ops/wasm/assembly/records.ts, and compiles ops/wasm/assembly
 * (AssemblyScript) into ops/wasm/instance/binaries.ts, and the search for scales, which has a
 * memory of its own, into scalesBinary.ts there. All four are committed.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';
import { isMain, ROOT } from './process.js';
import { checkModule } from './wasmBinary.js';
import { assemblySide } from './wasmRecords/assembly.js';
import { description } from './wasmRecords/description.js';
import { typescriptSide } from './wasmRecords/typescript.js';

const ASSEMBLY = 'ops/wasm/assembly';
const INSTANCE = join(ROOT, 'ops', 'wasm', 'instance');

/** What is written of the records: file and text. */
export const RECORDS = [
  { file: join(ROOT, 'ops', 'wasm', 'records.ts'), text: typescriptSide(description) },
  { file: join(ROOT, ASSEMBLY, 'records.ts'), text: assemblySide(description) },
] as const;

/** A module: one entry file, and what it may use beyond SIMD128. */
interface Module {
  readonly name: string;
  readonly entry: string;
  readonly features: readonly string[];
}

/** What is written of the modules: file, and those in it. */
export const BINARIES: readonly { readonly file: string; readonly modules: readonly Module[] }[] = [
  {
    file: join(INSTANCE, 'binaries.ts'),
    modules: [
      { name: 'BASELINE', entry: 'kernels.ts', features: [] },
      { name: 'RELAXED', entry: 'relaxed.ts', features: ['--enable', 'relaxed-simd'] },
    ],
  },
  {
    file: join(INSTANCE, 'scalesBinary.ts'),
    modules: [{ name: 'SCALES', entry: 'scales.ts', features: [] }],
  },
];

/**
 * No runtime, allocator or stack: the module lives in tfjs's memory. bulk-memory is off because
 * tfjs's plain build may run where it is missing, and because AssemblyScript would turn copies into
 * it.
 */
const FLAGS = [
  ...['-O3', '--noAssert', '--runtime', 'stub', '--use', 'abort=', '--importMemory'],
  ...['--noExportMemory', '--initialMemory', '0', '--enable', 'simd', '--disable', 'bulk-memory'],
];

/** The text of a file of modules, compiled from the sources. */
export async function compileBinaries(modules: readonly Module[]): Promise<string> {
  const origin = 'written by `npm run build:wasm` from ops/wasm/assembly';
  const lines = [`// ${origin}; a test compiles it again and compares`];
  for (const { name, entry, features } of modules) {
    const bytes = await compile(entry, features);
    checkModule(entry, bytes);
    const base64 = Buffer.from(bytes).toString('base64');
    lines.push(`/** ${entry}: ${bytes.length} bytes. */`);
    // as the formatter would break the line; with a type, for declarations would repeat the text
    lines.push(`export const ${name}: string =\n  '${base64}';`);
  }
  return `${lines.join('\n')}\n`;
}

/** Compiles one entry file below ops/wasm/assembly; `sources` stand for files there, by name. */
export async function compile(
  entry: string,
  features: readonly string[] = [],
  sources: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const args = [`${ASSEMBLY}/${entry}`, '--baseDir', ROOT, '--outFile', 'out.wasm'];
  const { error, stderr } = await asc.main([...args, ...FLAGS, ...features], {
    readFile: async (name) => {
      const own = name.startsWith(`${ASSEMBLY}/`) ? sources[name.slice(ASSEMBLY.length + 1)] : null;
      return own ?? (await readFile(join(ROOT, name), 'utf8').catch(() => null));
    },
    writeFile: (_name, contents) => {
      binary = typeof contents === 'string' ? Buffer.from(contents) : contents;
    },
  });
  if (error !== null || binary === undefined) {
    throw new Error(`${entry} does not compile.\n${stderr.toString()}${error?.message ?? ''}`);
  }
  return binary;
}

if (isMain(import.meta.url)) {
  for (const { file, text } of RECORDS) await writeFile(file, text);
  for (const { file, modules } of BINARIES) {
    const text = await compileBinaries(modules);
    await writeFile(file, text);
    console.log(`Wrote ${file}, ${(text.length / 1024).toFixed(1)} KiB.`);
  }
  console.log('Wrote both sides of the WASM records.');
}
