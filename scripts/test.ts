/**
 * `npm test`: everything that has to hold, from a checkout with its packages installed.
 *
 * Builds, checks, provisions tfjs-node and a browser, runs the suites in Node and in the browser, and closes with one
 * line over all of them, `N passed, N failed, N skipped`. NODE_VERSIONS="22 24" runs them on those Nodes as well.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addTally, count, emptyTally, matrixOf, type Tally } from '../test/harness/tally.js';
import { browserSuites } from './browserSuites.js';
import { fetchNode } from './nodeVersions.js';
import { runScript } from './process.js';
import { provisionTfjsNode } from './provision/tfjsNode.js';

const MOCHA = 'mocha/bin/mocha.js';
const SUITES = ['test/**/*.test.ts'];
/** Measurements on whole models: minutes, and the same on every Node. They run on the first, without coverage. */
const SLOW = ['test/**/*.slow.test.ts'];
/** What a newer Node could break: kernels, packages, children, files; and the whole way once. */
const ON_OTHERS = [
  'test/{ops,e2e}/*.test.ts',
  'test/rewrite/{everyBackend,save*}.test.ts',
  'test/pure/graphOfModel.test.ts',
];
const COLORS = process.stdout.isTTY ? 'force' : 'off';
const total = emptyTally();

await check('build', () => runScript('tsx/dist/cli.mjs', ['scripts/build.ts']));
await check('lint and format', () =>
  runScript('@biomejs/biome/bin/biome', ['ci', `--colors=${COLORS}`]),
);
await check('types', () => runScript('typescript/bin/tsc', []));
await provision();
const first = `Node ${process.versions.node}`;
await suites(first, process.execPath, SUITES, true);
await suites(`${first}, measurements on whole models`, process.execPath, SLOW);
for (const version of (process.env.NODE_VERSIONS ?? '').split(/[\s,]+/).filter(Boolean)) {
  await suitesOnOther(version);
}
heading('suites in a browser');
addTally(total, await browserSuites(log));

console.log(`\n${matrixOf(total)}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;

/** A check that passes or fails as a whole. */
async function check(name: string, run: () => Promise<number>): Promise<void> {
  heading(name);
  const code = await run();
  console.log(code === 0 ? `${name}: passed` : `${name}: FAILED (exit code ${code})`);
  count(total, name, code === 0 ? 'passed' : 'failed');
}

/** tfjs-node is optional: where it cannot be had its suites say SKIPPED, and this says why. */
async function provision(): Promise<void> {
  heading('tfjs-node');
  const result = await provisionTfjsNode({ log });
  log(
    result.available
      ? `tfjs-node: available (${result.how}), TensorFlow ${result.tensorflowVersion}`
      : `SKIPPED tfjs-node: ${result.reason}`,
  );
}

/** Mocha suites on one Node; slow ones only where they are asked for. */
async function suites(
  name: string,
  node: string,
  files: readonly string[],
  withCoverage = false,
): Promise<void> {
  heading(`suites on ${name}`);
  const folder = await mkdtemp(join(tmpdir(), 'tfjs-hadanorm-test-'));
  const file = join(folder, 'tally.json');
  const env = { MOCHA_TALLY: file, TF_CPP_MIN_LOG_LEVEL: '2' };
  const args = files === SLOW ? files : [...files, '--ignore', ...SLOW];
  const code = withCoverage
    ? await runScript('c8/bin/c8.js', [node, join('node_modules', MOCHA), ...args], { env })
    : await runScript(MOCHA, args, { node, env });
  const tally = await readTally(file);
  await rm(folder, { recursive: true, force: true });
  if (tally !== undefined) addTally(total, tally);
  if (tally === undefined || (code !== 0 && tally.failed === 0)) {
    log(`${name}: the run ended early, exit code ${code}`);
    count(total, name, 'failed');
  }
}

async function suitesOnOther(version: string): Promise<void> {
  const node = await fetchNode(version);
  if (node.available) return suites(`Node ${version}`, node.path, ON_OTHERS);
  heading(`suites on Node ${version}`);
  log(`SKIPPED Node ${version}: ${node.reason}`);
  count(total, `Node ${version}`, 'skipped');
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
