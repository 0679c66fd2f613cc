/**
 * `npm test`: everything that has to hold, from a checkout with its packages installed.
 *
 * Builds, provisions tfjs-node, then runs the checks and the suites, and closes with one line over all of them,
 * `N passed, N failed, N skipped`. NODE_VERSIONS="22 24" runs the suites on those Nodes as well.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchNode } from './nodeVersions.js';
import { runScript } from './process.js';
import { provisionTfjsNode } from './provision/tfjsNode.js';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const MOCHA = 'mocha/bin/mocha.js';
const SUITES = 'test/**/*.test.ts';
const total: Counts = { passed: 0, failed: 0, skipped: 0 };

await check('build', () => runScript('tsx/dist/cli.mjs', ['scripts/build.ts']));
await provision();
await check('lint and format', () =>
  runScript('@biomejs/biome/bin/biome', [
    'ci',
    `--colors=${process.stdout.isTTY ? 'force' : 'off'}`,
  ]),
);
await check('types', () => runScript('typescript/bin/tsc', []));
await suites(process.version, process.execPath, true);
for (const version of (process.env.NODE_VERSIONS ?? '').split(/[\s,]+/).filter(Boolean)) {
  heading(`Node ${version}`);
  const node = await fetchNode(version);
  if (node.available) {
    await suites(`Node ${version}`, node.path, false);
  } else {
    total.skipped++;
    console.log(`SKIPPED Node ${version}: ${node.reason}`);
  }
}

console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 ? 0 : 1;

/** A check that passes or fails as a whole. */
async function check(name: string, run: () => Promise<number>): Promise<void> {
  heading(name);
  const code = await run();
  console.log(code === 0 ? `${name}: passed` : `${name}: FAILED (exit code ${code})`);
  total[code === 0 ? 'passed' : 'failed']++;
}

/** tfjs-node is optional: where it cannot be had its suites say SKIPPED, and this says why. */
async function provision(): Promise<void> {
  heading('tfjs-node');
  const result = await provisionTfjsNode({ log: (line) => console.log(line) });
  console.log(
    result.available
      ? `tfjs-node: available (${result.how}), TensorFlow ${result.tensorflowVersion}`
      : `SKIPPED tfjs-node: ${result.reason}`,
  );
}

/** All mocha suites on one Node; coverage is measured on the first. */
async function suites(name: string, node: string, withCoverage: boolean): Promise<void> {
  heading(`suites on ${name}`);
  const folder = await mkdtemp(join(tmpdir(), 'tfjs-hadanorm-test-'));
  const file = join(folder, 'counts.json');
  const env = { MOCHA_COUNTS: file, TF_CPP_MIN_LOG_LEVEL: '2' };
  const mocha = [MOCHA, SUITES];
  const code = withCoverage
    ? await runScript('c8/bin/c8.js', [node, join('node_modules', MOCHA), SUITES], { env })
    : await runScript(MOCHA, mocha.slice(1), { node, env });
  const counts = await readCounts(file);
  await rm(folder, { recursive: true, force: true });
  if (counts === undefined || (code !== 0 && counts.failed === 0)) {
    console.log(`${name}: the run ended early, exit code ${code}`);
    total.failed++;
  }
  for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += counts?.[key] ?? 0;
}

async function readCounts(file: string): Promise<Counts | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Counts;
  } catch {
    // mocha died before its reporter could write, which the caller counts as a failure
    return undefined;
  }
}

function heading(title: string): void {
  console.log(`\n── ${title} ──`);
}
