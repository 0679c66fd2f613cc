/**
 * npm run full-size [-- --model dit|flux|tiny] [--depth N] [--method rtn|hadamard|hadanorm]
 * [--batches N] [--samples N] [--dtype F16|F32] [--on-demand] [--backend NAME]
 * [--browser] [--step FOLDER] [--same-process]
 *
 * A seeded checkpoint of a published model at its full size, from safetensors to a packed model
 * that runs one step: time, peak memory and SQNR. Tensors are written to a temporary folder, or
 * with --on-demand made when they are read. With hadanorm it is calibrated part by part on so many
 * batches of so many samples, and rounded by GPTQ. With --browser a worker of a page of Chromium
 * does it, from Files and on WASM; the page then loads what was kept in its own file system, and
 * saves it again; each is cancelled on the way first. With --step it only loads what was saved in a
 * folder and runs that once, as it does at the end. As the command line it works in a process of
 * its own, whose heap gives memory back, unless told --same-process.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { useBackend, withLittleMemory } from '../../src/bin/shared/backends.js';
import { collecting } from '../../src/bin/shared/collecting.js';
import { inOwnProcess, onInterrupt, wantsOwnProcess } from '../../src/bin/shared/ownProcess.js';
import { ProgressLine } from '../../src/bin/shared/progressLine.js';
import { flag, orExit, readFlags, SWITCH } from '../../src/cli/flags.js';
import { integer, oneOf, text } from '../../src/cli/readers.js';
import { loadQuantized, saveQuantized } from '../../src/index.js';
import { checkpointFiles, fileSystem } from '../../src/node.js';
import {
  type SeededCheckpoint,
  seededFiles,
  writeSeeded,
} from '../harness/models/seededCheckpoint.js';
import { FULL_SIZE, type FullSizeName } from './fullSizeModels.js';
import { partsOf, quantizeFullSize, stepOf, toldOf } from './fullSizeWork.js';

const SCRIPT = fileURLToPath(import.meta.url);
const FLAGS = {
  model: flag(oneOf(Object.keys(FULL_SIZE) as FullSizeName[]), 'dit'),
  depth: flag(integer(1)),
  method: flag(oneOf(['rtn', 'hadamard', 'hadanorm'] as const), 'rtn'),
  dtype: flag(oneOf(['F16', 'F32'] as const), 'F16'),
  batches: flag(integer(1), '4'),
  samples: flag(integer(1), '4'),
  'on-demand': SWITCH,
  browser: SWITCH,
  step: flag(text('FOLDER')),
  'same-process': SWITCH,
  backend: flag(oneOf(['tensorflow', 'wasm', 'cpu']), 'tensorflow'),
};
const { values } = orExit(() => {
  const read = readFlags('full-size', FLAGS, process.argv.slice(2));
  const { browser, 'on-demand': onDemand } = read.values;
  if (!browser || !onDemand) return read;
  const wanted = 'left out with --browser, whose page reads files';
  throw new InvalidArgumentError('full-size', '--on-demand', wanted, '--on-demand');
});

const isLarge = values.model !== 'tiny' && !values.browser;
if (isLarge && !values['same-process'] && wantsOwnProcess()) await inOwnProcess();
withLittleMemory();
await useBackend(values.backend);
onInterrupt(() => process.exit(130));
const subject = FULL_SIZE[values.model];
const line = new ProgressLine(process.stderr);
const stages = new Map<string, number>();
await (values.step === null ? all() : oneStep(values.step));

async function all(): Promise<void> {
  const given: SeededCheckpoint = {
    architecture: subject.architecture,
    config: subject.config(values.depth ?? subject.depth),
    ...{ dtype: values.dtype, seed: 17 },
  };
  const folder = await mkdtemp(join(tmpdir(), 'full-size-'));
  try {
    let source = seededFiles(given);
    if (!values['on-demand']) {
      const from = join(folder, 'checkpoint');
      const bytes = await timed('written', () => writeSeeded(given, from));
      console.log(`checkpoint: ${(bytes / 1e9).toFixed(2)} GB, ${values.dtype}`);
      source = checkpointFiles(from);
    }
    if (values.browser) {
      // a browser's driver is memory that the process has else
      const { fullSizeInBrowser } = await import('./fullSizeBrowser.js');
      await fullSizeInBrowser(join(folder, 'checkpoint'), values, (text, isResult) => {
        if (isResult) console.log(text);
        else showLine(text);
      });
      return;
    }
    const tell = collecting(line.tell);
    const cores = new Map<string, number>();
    let used = coresMs();
    const made = await timed('quantized', () =>
      quantizeFullSize(source, values, (progress, ms) => {
        const { stage } = progress;
        stages.set(stage, (stages.get(stage) ?? 0) + ms);
        const now = coresMs();
        cores.set(stage, (cores.get(stage) ?? 0) + now - used);
        used = now;
        tell(progress);
      }),
    );
    console.log(`of the cores: ${partsOf(cores)}`);
    for (const text of toldOf(made, stages)) console.log(text);
    const { model } = made;
    const packed = join(folder, 'packed');
    const to = fileSystem(packed);
    await timed('saved', () => saveQuantized(model, to, { onProgress: line.tell }));
    model.dispose();
    // in a process of its own: it has nothing of what quantizing needed
    const args = ['--model', values.model, '--backend', values.backend, '--step', packed];
    const child = spawnSync(process.execPath, [...process.execArgv, SCRIPT, ...args]);
    process.stdout.write(child.stdout);
    if (child.status !== 0) throw new Error(`the saved model does not run: ${child.stderr}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Loads what was saved and runs it once. */
async function oneStep(path: string): Promise<void> {
  const model = await timed('loaded', () => loadQuantized(fileSystem(path)));
  await timed('one step', () => stepOf(model, values.model));
  model.dispose();
}

/** On a terminal, what a page is at. */
function showLine(told: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${told.slice(0, 79)}`);
}

/** What the cores have done for this process, in milliseconds. */
function coresMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
}

/** Runs a part, and tells its time and the most memory that the process has had so far. */
async function timed<T>(what: string, run: () => Promise<T>): Promise<T> {
  const before = process.cpuUsage();
  const start = performance.now();
  const result = await run();
  const seconds = (performance.now() - start) / 1e3;
  const { user, system } = process.cpuUsage(before);
  line.clear();
  const peak = (process.resourceUsage().maxRSS * 1024) / 1e9;
  const times = `${seconds.toFixed(1)} s, ${((user + system) / 1e6).toFixed(1)} s of the cores`;
  console.log(`${what}: ${times}, peak ${peak.toFixed(2)} GB`);
  return result;
}
