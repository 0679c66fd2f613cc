/**
 * Builds what the package ships: ESM and CommonJS with types, and one minified file for script
 * tags.
 */
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { ROOT, runScript } from './process.js';

const DIST = join(ROOT, 'dist');
const REPORT = join(ROOT, 'src', 'report');
const SCRIPT_TAG_FILE = join(DIST, 'tfjs-hadanorm.min.js');

const TF_GLOBAL = `
  if (typeof tf === 'undefined') {
    throw new Error('tfjs-hadanorm: there is no global tf. Load TensorFlow.js before this script.');
  }
  module.exports = tf;
`;

/** With script tags, tfjs-core and tfjs-converter are the global `tf`. */
const tfGlobal: Plugin = {
  name: 'tf-global',
  setup({ onResolve, onLoad }) {
    const filter = /^@tensorflow\//;
    onResolve({ filter }, ({ path }) => ({ path, namespace: 'tf-global' }));
    onLoad({ filter: /.*/, namespace: 'tf-global' }, () => ({ contents: TF_GLOBAL }));
  },
};

/** With script tags, vega and vega-lite are globals too: this bundle must not swallow them. */
const vegaGlobal: Plugin = {
  name: 'vega-global',
  setup({ onResolve }) {
    const path = join(REPORT, 'htmlVegaGlobal.ts');
    onResolve({ filter: /\/htmlVega\.js$/ }, () => ({ path }));
  },
};

await rm(DIST, { recursive: true, force: true });
// what runs in browsers is compiled without Node's types, and what is for Node with them
for (const project of ['', '.node']) {
  await compile(`tsconfig.build${project}.json`);
  await compile(`tsconfig.build${project}.cjs.json`);
}
// the package is "type": "module"; this makes .js and .d.ts below here CommonJS for Node and for
// TypeScript
await mkdir(join(DIST, 'cjs'), { recursive: true });
await writeFile(join(DIST, 'cjs', 'package.json'), '{ "type": "commonjs" }\n');
// for CommonJS, tsc makes import() a require(), which refuses vega (it awaits at its top level);
// esbuild keeps it
await build({
  entryPoints: [join(REPORT, 'htmlVega.ts')],
  outfile: join(DIST, 'cjs', 'src', 'report', 'htmlVega.js'),
  platform: 'node',
  format: 'cjs',
  target: 'es2022',
  logLevel: 'warning',
});
await build({
  entryPoints: [join(ROOT, 'src', 'scriptTag.ts')],
  outfile: SCRIPT_TAG_FILE,
  bundle: true,
  minify: true,
  sourcemap: true,
  format: 'iife',
  globalName: 'hadanorm',
  target: 'es2020',
  plugins: [tfGlobal, vegaGlobal],
  logLevel: 'warning',
  // a registration that package.json's sideEffects forgets would be dropped in users' bundles too
  logOverride: { 'ignored-bare-import': 'error' },
});
const { size } = await stat(SCRIPT_TAG_FILE);
console.log(`Built dist: ESM, CommonJS, and ${(size / 1024).toFixed(1)} KiB for script tags.`);

async function compile(project: string): Promise<void> {
  const code = await runScript('typescript/bin/tsc', ['-p', project]);
  if (code !== 0) process.exit(code);
}
