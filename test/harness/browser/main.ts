/**
 * `npm run test:browser`: the suites in a browser alone.
 *
 * `npm run test:browser -- FILE … --grep TEXT --backend webgl --backend wasm` runs these test
 * files, tests and backends, and `--wasm-build plain` runs them on that build of tfjs-backend-wasm.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { isMain, ROOT } from '../../../scripts/process.js';
import { provisionBrowser } from '../../../scripts/provision/browser.js';
import { flag, readFlags, repeated, usageOf } from '../../../src/cli/flags.js';
import { oneOf, text } from '../../../src/cli/readers.js';
import { WASM_BUILDS } from '../backends/wasmBuildNames.js';
import { count, emptyTally, matrixOf, type Tally } from '../run/tally.js';
import { type BrowserSelection, runInBrowser } from './run.js';

const COMMAND = 'npm run test:browser';
const FLAGS = {
  grep: flag(text('TEXT')),
  backend: repeated(oneOf(['cpu', 'wasm', 'webgl', 'webgpu'])),
  'wasm-build': repeated(oneOf(WASM_BUILDS)),
};
const OTHERS = { others: 'FILE …' };

/**
 * Finds or installs a browser and runs the suites in it; where there is none they count as skipped.
 */
export async function browserSuites(
  log: (line: string) => void,
  selection: BrowserSelection = {},
): Promise<Tally> {
  const browser = await provisionBrowser(log);
  if (!browser.available) {
    log(`SKIPPED browser: ${browser.reason}`);
    const tally = emptyTally();
    count(tally, 'browser', 'skipped');
    return tally;
  }
  log(`in ${browser.path}`);
  const tally = await runInBrowser({ executablePath: browser.path, log, ...selection });
  log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped in the browser`);
  return tally;
}

/** Reads the command line. @throws InvalidArgumentError for what is wrong with it. */
function selectionOf(args: readonly string[]): BrowserSelection {
  const { values, others: files } = readFlags(COMMAND, FLAGS, args, OTHERS);
  const { grep, backend: backends, 'wasm-build': wasmBuilds } = values;
  const file = files.find((path) => !path.endsWith('.test.ts') || !existsSync(join(ROOT, path)));
  if (file !== undefined) {
    const wanted = 'a *.test.ts, from the folder of the project';
    throw new InvalidArgumentError(COMMAND, 'FILE', wanted, file);
  }
  if (wasmBuilds.length > 0 && backends.length > 0) {
    const wanted = 'left out with --wasm-build, which runs the wasm backend alone';
    throw new InvalidArgumentError(COMMAND, '--backend', wanted, backends.join(', '));
  }
  return {
    ...(files.length > 0 ? { files } : {}),
    ...(grep === null ? {} : { grep }),
    ...(backends.length > 0 ? { backends } : {}),
    ...(wasmBuilds.length > 0 ? { wasmBuilds } : {}),
  };
}

if (isMain(import.meta.url)) {
  let selection: BrowserSelection | undefined;
  try {
    selection = selectionOf(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    console.error(`${error.message}\n${COMMAND} -- ${usageOf(FLAGS, OTHERS)}`);
    process.exitCode = 2;
  }
  if (selection !== undefined) {
    const tally = await browserSuites((line) => console.log(line), selection);
    if (Object.keys(selection).length === 0) console.log(matrixOf(tally));
    const run = tally.passed + tally.failed + tally.skipped;
    if (run === 0) console.error('No test matches.');
    process.exitCode = tally.failed === 0 && run > 0 ? 0 : 1;
  }
}
