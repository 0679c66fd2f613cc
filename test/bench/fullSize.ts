/**
 * npm run full-size [-- --model dit|flux|tiny] [--depth N] [--method rtn|hadamard|hadanorm]
 * [--batches N] [--samples N] [--dtype F16|F32] [--on-demand] [--backend NAME]
 * [--step FOLDER]
 *
 * A seeded checkpoint of a published model at its full size, from safetensors to a packed model
 * that runs one step: time, peak memory and SQNR. Tensors are written to a temporary folder, or
 * with --on-demand made when they are read. With hadanorm it is calibrated part by part on so many
 * batches of so many samples, and rounded by GPTQ. With --step
 * it only loads what was saved in a folder and runs that once, as it does at the end.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import type { Progress } from '../../ops/common/progress.js';
import { useBackend } from '../../src/bin/shared/backends.js';
import { ProgressLine } from '../../src/bin/shared/progressLine.js';
import { flag, orExit, readFlags, SWITCH } from '../../src/cli/flags.js';
import { integer, oneOf, text } from '../../src/cli/readers.js';
import { loadQuantized, saveQuantized } from '../../src/index.js';
import { type ByteFiles, quantizeCheckpoint } from '../../src/load.js';
import { checkpointFiles, fileSystem } from '../../src/node.js';
import {
  type SeededCheckpoint,
  seededFiles,
  writeSeeded,
} from '../harness/models/seededCheckpoint.js';
import { FULL_SIZE, type FullSizeName } from './fullSizeModels.js';

const SCRIPT = fileURLToPath(import.meta.url);
const FLAGS = {
  model: flag(oneOf(Object.keys(FULL_SIZE) as FullSizeName[]), 'dit'),
  depth: flag(integer(1)),
  method: flag(oneOf(['rtn', 'hadamard', 'hadanorm'] as const), 'rtn'),
  dtype: flag(oneOf(['F16', 'F32'] as const), 'F16'),
  batches: flag(integer(1), '4'),
  samples: flag(integer(1), '4'),
  'on-demand': SWITCH,
  step: flag(text('FOLDER')),
  backend: flag(oneOf(['tensorflow', 'wasm', 'cpu']), 'tensorflow'),
};
const { values } = orExit(() => readFlags('full-size', FLAGS, process.argv.slice(2)));

await useBackend(values.backend);
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
    const { model, report } = await timed('quantized', () => quantized(source));
    const parts = [...stages].map(([stage, ms]) => `${stage} ${(ms / 1e3).toFixed(1)} s`);
    console.log(`of that: ${parts.join(', ')}`);
    const { sqnr, linearBytes } = report.totals;
    const [before, after] = [linearBytes.before / 1e9, linearBytes.after / 1e9];
    console.log(`linears: ${before.toFixed(2)} GB to ${after.toFixed(2)} GB`);
    if (sqnr !== null) console.log(`output SQNR: ${sqnr.output.toFixed(2)} dB on average`);
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
  await timed('one step', async () => {
    const inputs = subject.inputs(1);
    const output = model.predict(inputs) as tf.Tensor;
    const numbers = await output.data();
    if (!numbers.every(Number.isFinite)) throw new Error('the step gives NaN or Infinity');
    tf.dispose([output, inputs]);
  });
  model.dispose();
}

function quantized(source: ByteFiles): ReturnType<typeof quantizeCheckpoint> {
  const { method, batches: count, samples } = values;
  const batches = Array.from({ length: count }, (_, i) => subject.inputs(samples, 100 + i));
  const calibration =
    method === 'hadanorm' ? { batches, calibrate: { disposeBatches: true } } : undefined;
  const onProgress = watching();
  return quantizeCheckpoint(source, { ...subject.sizes, method, ...calibration, onProgress });
}

/** Shows progress, and adds up the time that each stage takes. */
function watching(): (progress: Progress) => void {
  let last = performance.now();
  return (progress) => {
    const now = performance.now();
    stages.set(progress.stage, (stages.get(progress.stage) ?? 0) + now - last);
    last = now;
    line.tell(progress);
  };
}

/** Runs a part, and tells its time and the most memory that the process has had so far. */
async function timed<T>(what: string, run: () => Promise<T>): Promise<T> {
  const before = process.cpuUsage();
  const start = performance.now();
  const result = await run();
  const seconds = (performance.now() - start) / 1e3;
  const { user, system } = process.cpuUsage(before);
  line.clear();
  const peak = process.resourceUsage().maxRSS / 1e6;
  const times = `${seconds.toFixed(1)} s, ${((user + system) / 1e6).toFixed(1)} s of the cores`;
  console.log(`${what}: ${times}, peak ${peak.toFixed(2)} GB`);
  return result;
}
