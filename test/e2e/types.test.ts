import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative, resolve } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../../scripts/process.js';
import { CHILD_ENV } from '../harness/run/child.js';
import { UserProject } from '../harness/run/userProject.js';

const require = createRequire(import.meta.url);

const CURRENT = 'typescript';
const NODE16 = { module: 'node16', moduleResolution: 'node16', files: ['esm.mts', 'cjs.cts'] };
const NODENEXT = { module: 'nodenext', moduleResolution: 'nodenext', files: NODE16.files };
/** It reads no `exports`, but `typesVersions`. TypeScript 7 has it no more. */
const NODE10 = { module: 'esnext', moduleResolution: 'node10', files: ['bundled.ts'] };
const BUNDLER = { module: 'esnext', moduleResolution: 'bundler', files: ['bundled.ts'] };
/**
 * The first TypeScript that users may have, the last in which typed arrays are not generic, and the
 * current one. To the old ones node16 and nodenext are the same.
 */
const COMPILERS = [
  { compiler: 'typescript-5.0', resolutions: [NODE10, NODE16, BUNDLER] },
  { compiler: 'typescript-5.6', resolutions: [NODENEXT] },
  { compiler: CURRENT, resolutions: [NODE16, NODENEXT, BUNDLER] },
];
/** Every declaration that a compiler reads is checked, but for TypeScript's own. */
const STRICT = {
  strict: true,
  noEmit: true,
  target: 'es2022',
  types: [],
  skipDefaultLibCheck: true,
};

const USE = `
import { tensor1d, type Tensor1D } from '@tensorflow/tfjs-core';
import type { CalibrationStats, Granularity, quantizedFiles } from 'tfjs-hadanorm';
import { fakeQuant, HadamardSizeError, hadamardTransform } from 'tfjs-hadanorm';
import 'tfjs-hadanorm/chained';
import 'tfjs-hadanorm/webgl';
import 'tfjs-hadanorm/tensorflow';
const granularity: Granularity = { kind: 'perGroup', groupSize: 2 };
const y: Tensor1D = hadamardTransform(tensor1d([1, 2, 3, 4]));
const z: Tensor1D = fakeQuant(y, { granularity }).hadamardTransform({ transpose: true });
// @ts-expect-error an option that is not there
hadamardTransform(z, { blocksize: 4 });
export const size: number = new HadamardSizeError('op', 7, 1, 8, '7').size;
// bytes go where the platform takes bytes
export const blobOf = (stats: CalibrationStats) => new Blob([stats.serialize()]);
export const filesOf = (files: Awaited<ReturnType<typeof quantizedFiles>>) =>
  [...files].map(([name, bytes]) => new File([bytes], name));
`;

/** Entry points, each with the files that list what it exports. */
const ENTRIES: readonly [name: string, ...files: string[]][] = [
  ['', 'core', 'wasm', 'webgpu'],
  ['/core', 'core'],
  ['/wasm', 'wasm'],
  ['/webgpu', 'webgpu'],
  ['/report', 'report'],
  ['/load', 'load'],
  ['/node', 'node'],
  ['/worker', 'worker'],
  ['/vite', 'vite'],
  ['/webpack', 'webpack'],
  ['/esbuild', 'esbuild'],
];

describe('The types as they ship', () => {
  let project: UserProject;

  before(() => {
    project = new UserProject();
    const text = [USE, ...ENTRIES.map(([name, ...files]) => reexport(name, files))].join('\n');
    for (const file of [...NODE16.files, ...BUNDLER.files]) project.write(file, text);
  });
  after(() => project.remove());

  for (const { compiler, resolutions } of COMPILERS) {
    const { version } = require(`${compiler}/package.json`) as { version: string };
    for (const resolution of resolutions) {
      it(`are right in TypeScript ${version} for ${resolution.moduleResolution}`, () => {
        expect(errorsOf(compiler, project, resolution)).to.deep.equal([]);
      });
    }
  }

  it('would be found to need a newer TypeScript, or to be wrong', () => {
    project.write('newer.d.mts', 'export declare const bytes: Uint8Array<ArrayBuffer>;\n');
    project.write('wrong.d.mts', 'export declare const bytes: Bites;\n');
    const resolution = { ...NODENEXT, files: ['newer.d.mts', 'wrong.d.mts'] };
    const wrong = "wrong.d.mts: Cannot find name 'Bites'.";
    const newer = "newer.d.mts: Type 'Uint8Array' is not generic.";
    expect(errorsOf('typescript-5.0', project, resolution)).to.deep.equal([newer, wrong]);
    expect(errorsOf(CURRENT, project, resolution)).to.deep.equal([wrong]);
  });
});

interface Resolution {
  readonly module: string;
  readonly moduleResolution: string;
  readonly files: readonly string[];
}

/** What a module of the source exports, as a list of exports writes it: `name` or `type Name`. */
/** Every name that an entry point exports, under a namespace of its own. */
function reexport(name: string, files: readonly string[]): string {
  const from = `'tfjs-hadanorm${name}'`;
  const names = files.flatMap((file) => exportsOf(`src/${file}.ts`));
  const renamed = names.map(
    (one) => `${one} as ${one.replace('type ', '')}${name.replace('/', '_')}`,
  );
  return `export { ${(name === '' ? names : renamed).join(', ')} } from ${from};\n`;
}

function exportsOf(module: string): string[] {
  const text = readFileSync(join(ROOT, module), 'utf8');
  return [...text.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, type = '', names = '']) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => `${type}${name}`),
  );
}

/**
 * Errors in the user's files and in our declarations, without those in tfjs's own (which names
 * types that are not there).
 */
function errorsOf(compiler: string, project: UserProject, resolution: Resolution): string[] {
  const { files, ...options } = resolution;
  const compilerOptions = { ...STRICT, ...options };
  const config = project.write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
  const tsc = join(ROOT, 'node_modules', compiler, 'bin', 'tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', config, '--pretty', 'false'], {
    cwd: project.folder,
    encoding: 'utf8',
    env: CHILD_ENV,
  });
  return [...stdout.matchAll(/^(?:(.+?)\(\d+,\d+\): )?error TS\d+: (.*)$/gm)]
    .map(([, file = 'options', text]) => ({
      path: relative(project.folder, resolve(project.folder, file)),
      text,
    }))
    .filter(({ path }) => !path.startsWith('..'))
    .map(({ path, text }) => `${path}: ${text}`);
}
