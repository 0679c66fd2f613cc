/**
 * `npm test`: everything that has to hold, from a checkout with its packages installed.
 *
 * Builds, checks, provisions tfjs-node and a browser, runs the suites in Node and in the browser,
 * and closes with one line over all of them, `N passed, N failed, N skipped`. NODE_VERSIONS="22 24"
 * runs them on those Nodes as well.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runScript } from '../scripts/process.js';
import { provisionBrowser } from '../scripts/provision/browser.js';
import { fetchNode } from '../scripts/provision/nodeVersions.js';
import { provisionTfjsNode } from '../scripts/provision/tfjsNode.js';
import { browserSuites } from './harness/browser/main.js';
import { addTally, count, emptyTally, matrixOf, type Tally } from './harness/run/tally.js';

const MOCHA = 'mocha/bin/mocha.js';
const SUITES = ['test/**/*.test.ts'];
/** Measurements on whole models: minutes, and the same on every Node. They run on the first. */
const SLOW = ['test/**/*.slow.test.ts'];
/**
 * What a newer Node could break: integer kernels (relaxed SIMD is there from 22 on), packages; and
 * the whole way once, with children and files.
 */
const ON_OTHERS = [
  'test/ops/{wasm,register,quantizedMatMul,hadaNormQuantize}/*.test.ts',
  'test/e2e/{benchWasm,graphModel,package,quantizeDit,register}.test.ts',
  'test/src/rewrite/everyBackend.test.ts',
];
/** On the others but the first of them: kernels by their own tests, not on every backend again. */
const ON_LATER = [
  'test/ops/{wasm,register}/*.test.ts',
  'test/ops/{quantizedMatMul,hadaNormQuantize}/wasm*.test.ts',
  'test/e2e/{graphModel,package,register}.test.ts',
  'test/src/rewrite/everyBackend.test.ts',
];
/** Whether there is a core for a second run. */
const SIDE_BY_SIDE = availableParallelism() > 1;
const COLORS = process.stdout.isTTY ? 'force' : 'off';
const total = emptyTally();
/** What each run took, in the order of their ends. */
const minutes: string[] = [];

await check('build', () => runScript('tsx/dist/cli.mjs', ['scripts/build.ts']));
await check('lint and format', async () => {
  const biome = await runScript('@biomejs/biome/bin/biome', ['ci', `--colors=${COLORS}`]);
  return biome || runScript('tsx/dist/cli.mjs', ['scripts/lint/main.ts']);
});
await check('types', () => runScript('typescript/bin/tsc', []));
await provision();
const first = `Node ${process.versions.node}`;
const versions = (process.env.NODE_VERSIONS ?? '').split(/[\s,]+/).filter(Boolean);
const queue = [
  () => suites(first, process.execPath, SUITES),
  () =>
    suites(`${first}, measurements on whole models`, process.execPath, SLOW, {
      buffered: SIDE_BY_SIDE,
    }),
  async () => {
    heading('suites in a browser');
    addTally(total, await browserSuites(log));
    return 'browser';
  },
  ...versions.map((version, i) => () => suitesOnOther(version, i === 0 ? ON_OTHERS : ON_LATER)),
];
// the first run speaks as it goes, what runs beside it when it is through
await Promise.all([work(), ...(SIDE_BY_SIDE ? [work()] : [])]);

console.log(`\n${matrixOf(total)}`);
console.log(`Minutes: ${minutes.join(', ')}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;

/** Takes runs from the queue until it is empty. */
async function work(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const begin = performance.now();
    const name = await next();
    minutes.push(`${name} ${((performance.now() - begin) / 60_000).toFixed(1)}`);
  }
}

/** A check that passes or fails as a whole. */
async function check(name: string, run: () => Promise<number>): Promise<void> {
  heading(name);
  const code = await run();
  console.log(code === 0 ? `${name}: passed` : `${name}: FAILED (exit code ${code})`);
  count(total, name, code === 0 ? 'passed' : 'failed');
}

/**
 * tfjs-node and a browser are optional: where they cannot be had their suites say SKIPPED, and this
 * says why. Before the runs, of which two want the browser at once.
 */
async function provision(): Promise<void> {
  heading('browser');
  await provisionBrowser(log);
  heading('tfjs-node');
  const result = await provisionTfjsNode({ log });
  log(
    result.available
      ? `tfjs-node: available (${result.how}), TensorFlow ${result.tensorflowVersion}`
      : `SKIPPED tfjs-node: ${result.reason}`,
  );
}

/**
 * Mocha suites on one Node; slow ones only where they are asked for. Buffered: the output is
 * printed at the end. Returns `name`.
 */
async function suites(
  name: string,
  node: string,
  files: readonly string[],
  { buffered = false } = {},
): Promise<string> {
  if (!buffered) heading(`suites on ${name}`);
  const folder = await mkdtemp(join(tmpdir(), 'tfjs-hadanorm-test-'));
  const file = join(folder, 'tally.json');
  const output: string[] = [];
  const options = {
    // WebGPU is tested in the browser: on Dawn only where it is named, whatever the cache holds
    env: {
      DAWN_NODE: process.env.DAWN_NODE ?? '',
      MOCHA_TALLY: file,
      TF_CPP_MIN_LOG_LEVEL: '2',
    },
    ...(buffered ? { onOutput: (text: string) => output.push(text) } : {}),
  };
  const args = files === SLOW ? files : [...files, '--ignore', ...SLOW];
  const code = await runScript(MOCHA, args, { node, ...options });
  if (buffered) {
    heading(`suites on ${name}`);
    console.log(output.join(''));
  }
  const tally = await readTally(file);
  await rm(folder, { recursive: true, force: true });
  if (tally !== undefined) addTally(total, tally);
  if (tally === undefined || (code !== 0 && tally.failed === 0)) {
    log(`${name}: the run ended early, exit code ${code}`);
    count(total, name, 'failed');
  }
  return name;
}

async function suitesOnOther(version: string, files: readonly string[]): Promise<string> {
  const node = await fetchNode(version);
  const buffered = SIDE_BY_SIDE;
  const name = `Node ${version}`;
  if (node.available) return suites(name, node.path, files, { buffered });
  heading(`suites on ${name}`);
  log(`SKIPPED ${name}: ${node.reason}`);
  count(total, name, 'skipped');
  return name;
}

async function readTally(file: string): Promise<Tally | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Tally;
  } catch {
    // mocha died before its reporter could write, which the caller counts as a failure
    return undefined;
  }
}

function log(line: string): void {
  console.log(line);
}

function heading(title: string): void {
  console.log(`\n── ${title} ──`);
}
