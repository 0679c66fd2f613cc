/**
 * `npm run test:runtimes`: fetches Bun and Deno from npm, and runs in them what a user does in
 * Node: the first code of the README, threads, CommonJS and the command line, from the packed
 * archive. Not part of `npm test`: it downloads 140 MB.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../scripts/process.js';
import { CHILD_ENV } from '../harness/run/child.js';
import { codeBlocks } from '../harness/run/codeBlocks.js';
import { UserProject } from '../harness/run/userProject.js';

/** A runtime: where its programs lie among npm's packages, and what runs a script. */
const RUNTIMES = [
  { name: 'bun', scope: '@oven', args: [] },
  { name: 'deno', scope: '@deno', args: ['run', '-A'] },
] as const;

const MODEL = 'tfjs-hadanorm-avatars-nano';
const LIMIT_MS = 300_000;
const [FIRST_CODE] = codeBlocks(readFileSync(join(ROOT, 'README.md'), 'utf8')) as [string];
const THREADS = `
import '@tensorflow/tfjs';
import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { hadamardTransform, setThreads, useThreadedWasm } from 'tfjs-hadanorm';
await useThreadedWasm({ setThreadsCount });
const threads = await setThreads(2);
console.log(threads, hadamardTransform([4, 0, 0, 0]).dataSync().join());
await setThreads(1);
`;
const COMMON_JS = `
const tf = require('@tensorflow/tfjs');
require('@tensorflow/tfjs-backend-wasm');
const { hadamardTransform } = require('tfjs-hadanorm');
tf.setBackend('wasm').then(() => console.log(hadamardTransform([4, 0, 0, 0]).dataSync().join()));
`;

/** What is run, and what it prints. */
const CHECKS: readonly [what: string, args: readonly string[], said: RegExp][] = [
  ['the first code of the README', ['first.mjs'], /after: 3\d{6}/],
  ['two threads of the WASM kernels', ['threads.mjs'], /^2 2,2,2,2/m],
  ['CommonJS', ['common.cjs'], /2,2,2,2/],
  ['inspect', ['CLI', 'inspect', MODEL], /35 linears/],
  ['quantize', ['CLI', 'quantize', MODEL, '--preset', 'W4A8', '-o', 'OUT'], /least output SQNR/],
  ['verify', ['CLI', 'verify', MODEL, 'OUT'], /wasm .* 0\.99/],
];

const project = new UserProject();
try {
  process.exitCode = run() ? 0 : 1;
} finally {
  project.remove();
}

/** Runs all in each runtime, and prints what came of it. */
function run(): boolean {
  for (const name of ['@tensorflow/tfjs-backend-wasm', MODEL]) project.link(name);
  // as npm install writes it: Deno goes by it
  const installed = ['tfjs-hadanorm', MODEL, '@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'];
  const dependencies = Object.fromEntries(installed.map((name) => [name, '*']));
  project.write('package.json', JSON.stringify({ dependencies }));
  project.write('first.mjs', FIRST_CODE);
  project.write('threads.mjs', THREADS);
  project.write('common.cjs', COMMON_JS);
  const folder = join(project.folder, 'runtimes');
  mkdirSync(folder);
  const packages = RUNTIMES.map(({ name }) => name);
  const fetched = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--ignore-scripts'];
  const shell = process.platform === 'win32';
  const npm = spawnSync('npm', [...fetched, ...packages], { encoding: 'utf8', shell });
  if (npm.status !== 0) {
    console.error(`Bun and Deno cannot be had from npm: ${npm.stderr.trim()}`);
    return false;
  }
  return RUNTIMES.map(({ name, scope, args }) =>
    runAll(name, join(folder, 'node_modules', scope), args),
  ).every(Boolean);
}

function runAll(name: string, folder: string, args: readonly string[]): boolean {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const file = files.find((one) => /(bun|deno)(\.exe)?$/.test(one));
  if (file === undefined) {
    console.error(`${name}: its package holds no program for this machine.`);
    return false;
  }
  const path = join(folder, file);
  const bin = join('node_modules', 'tfjs-hadanorm', 'dist', 'esm', 'src', 'bin', 'main.js');
  const call = (given: readonly string[]) =>
    spawnSync(path, given, {
      ...{ cwd: project.folder, encoding: 'utf8', env: CHILD_ENV, timeout: LIMIT_MS },
    });
  console.log(
    call(['--version'])
      .stdout.split('\n')[0]!
      .replace(/^(?=\d)/, `${name} `),
  );
  return CHECKS.map(([what, script, said]) => {
    const began = performance.now();
    const given = script.map((word) => ({ CLI: bin, OUT: `small-${name}` })[word] ?? word);
    const { status, stdout, stderr } = call([...args, ...given]);
    const passed = status === 0 && said.test(stdout + stderr);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`  ${passed ? 'runs' : 'FAILS'}: ${what}, ${seconds} s`);
    if (!passed) console.error(`${stdout}\n${stderr}`.trim());
    return passed;
  }).every(Boolean);
}
