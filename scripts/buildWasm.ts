/**
 * `npm run build:wasm`: compiles ops/wasm/assembly (AssemblyScript) into
 * ops/wasm/instance/binaries.ts, which is committed.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';
import { isMain, ROOT } from './process.js';
import { checkModule } from './wasmBinary.js';

const ASSEMBLY = 'ops/wasm/assembly';
export const BINARIES_FILE = join(ROOT, 'ops', 'wasm', 'instance', 'binaries.ts');

/** The modules: each is one entry file, and what it may use beyond SIMD128. */
const MODULES = [
  { name: 'BASELINE', entry: 'kernels.ts', features: [] },
  { name: 'RELAXED', entry: 'relaxed.ts', features: ['--enable', 'relaxed-simd'] },
] as const;

/**
 * No runtime, allocator or stack: the module lives in tfjs's memory. bulk-memory is off because
 * tfjs's plain build may run where it is missing, and because AssemblyScript would turn copies into
 * it.
 */
const FLAGS = [
  ...['-O3', '--noAssert', '--runtime', 'stub', '--use', 'abort=', '--importMemory'],
  ...['--noExportMemory', '--initialMemory', '0', '--enable', 'simd', '--disable', 'bulk-memory'],
];

/** The text of binaries.ts, compiled from the sources. */
export async function compileBinaries(): Promise<string> {
  const origin = 'written by `npm run build:wasm` from ops/wasm/assembly';
  const lines = [`// ${origin}; a test compiles it again and compares`];
  for (const { name, entry, features } of MODULES) {
    const bytes = await compile(entry, features);
    checkModule(entry, bytes);
    const base64 = Buffer.from(bytes).toString('base64');
    lines.push(`/** ${entry}: ${bytes.length} bytes. */`);
    // as the formatter would break the line
    lines.push(`export const ${name} =\n  '${base64}';`);
  }
  return `${lines.join('\n')}\n`;
}

/** Compiles one entry file below ops/wasm/assembly. */
export async function compile(
  entry: string,
  features: readonly string[] = [],
): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const args = [`${ASSEMBLY}/${entry}`, '--baseDir', ROOT, '--outFile', 'out.wasm'];
  const { error, stderr } = await asc.main([...args, ...FLAGS, ...features], {
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
  const text = await compileBinaries();
  await writeFile(BINARIES_FILE, text);
  console.log(`Wrote ops/wasm/instance/binaries.ts, ${(text.length / 1024).toFixed(1)} KiB.`);
}
