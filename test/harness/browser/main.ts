/**
 * `npm run test:browser`: the suites in a browser alone.
 *
 * `npm run test:browser -- FILE … --grep TEXT --backend webgl --backend wasm` runs these test
 * files, tests and backends, and `--wasm-build plain` runs them on that build of tfjs-backend-wasm.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMain, ROOT } from '../../../scripts/process.js';
import { provisionBrowser } from '../../../scripts/provision/browser.js';
import { WASM_BUILDS } from '../backends/wasmBuildNames.js';
import { count, emptyTally, matrixOf, type Tally } from '../run/tally.js';
import { type BrowserSelection, runInBrowser } from './run.js';

const USAGE =
  'npm run test:browser -- [FILE …] [--grep TEXT] [--backend cpu|wasm|webgl|webgpu …] ' +
  '[--wasm-build plain|simd|threaded …]: FILE is a *.test.ts, from the folder of the project.';

const BACKENDS = ['cpu', 'wasm', 'webgl', 'webgpu'];

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

/** Reads the command line; what is wrong with it, as a sentence. */
function selectionOf(args: string[]): BrowserSelection | string {
  let parsed: ReturnType<typeof parsedArgs>;
  try {
    parsed = parsedArgs(args);
  } catch (error) {
    return (error as Error).message;
  }
  const { values, positionals: files } = parsed;
  const file = files.find((path) => !path.endsWith('.test.ts') || !existsSync(join(ROOT, path)));
  if (file !== undefined) return `there is no test file ${file}`;
  const backend = values.backend?.find((name) => !BACKENDS.includes(name));
  if (backend !== undefined) return `a browser has no backend '${backend}'`;
  const build = values['wasm-build']?.find((name) => !WASM_BUILDS.some((known) => known === name));
  if (build !== undefined) return `tfjs-backend-wasm has no build '${build}'`;
  if (values['wasm-build'] !== undefined && values.backend !== undefined) {
    return '--wasm-build runs the wasm backend alone: leave out --backend';
  }
  return {
    ...(files.length > 0 ? { files } : {}),
    ...(values.grep === undefined ? {} : { grep: values.grep }),
    ...(values.backend === undefined ? {} : { backends: values.backend }),
    ...(values['wasm-build'] === undefined ? {} : { wasmBuilds: values['wasm-build'] }),
  };
}

function parsedArgs(args: string[]) {
  const options = {
    grep: { type: 'string' },
    backend: { type: 'string', multiple: true },
    'wasm-build': { type: 'string', multiple: true },
  } as const;
  return parseArgs({ args, options, allowPositionals: true });
}

if (isMain(import.meta.url)) {
  const selection = selectionOf(process.argv.slice(2));
  if (typeof selection === 'string') {
    console.error(`${selection}\n${USAGE}`);
    process.exitCode = 2;
  } else {
    const tally = await browserSuites((line) => console.log(line), selection);
    if (Object.keys(selection).length === 0) console.log(matrixOf(tally));
    const run = tally.passed + tally.failed + tally.skipped;
    if (run === 0) console.error('No test matches.');
    process.exitCode = tally.failed === 0 && run > 0 ? 0 : 1;
  }
}
