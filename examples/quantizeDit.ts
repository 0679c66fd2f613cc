/**
 * The whole way: load a trained diffusion transformer, calibrate it on its own denoising
 * trajectories, quantize it by rounding to nearest and with HadaNorm, sample from all of them and
 * from the original with the same noise, and write what came out. Run: npm start
 *
 * Options: --model avatars (default avatars-nano; or fashion, avatars-nano-stress, the path or URL
 * of a model.json), --bits W4A8,W4A4, --method hadanorm (or centered, hadamard, smoothquant, auto),
 * --steps 20, --solver euler (or heun), --cfg 1, --seed 7, --out out. Writes samples.png,
 * report.html and, for each of --bits, the report as JSON and the packed model: all at the end, or
 * nothing. Of a model that is quantized already, such as one that this wrote, it draws the pictures
 * alone.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { InvalidArgumentError } from 'tfjs-hadanorm';
import { reportTable } from 'tfjs-hadanorm/report';
import { openModel } from '../models/openModel.js';
import { interruptible } from '../src/cli/interruptible.js';
import { graphOfModel } from '../src/graph/model.js';
import { quantizedAlready } from '../src/rewrite/nothingToQuantize.js';
import { type Comparison, compareModels, drawQuantized } from './quantizeDit/compare.js';
import { HELP, type Settings, settingsOf } from './quantizeDit/flags.js';
import { summaryTable } from './quantizeDit/summary.js';

try {
  if (process.argv.includes('--help')) console.log(HELP);
  else await interruptible(start, 'Stopped; nothing was written.');
} catch (error) {
  // of the flags, or the model that they name
  if (!(error instanceof InvalidArgumentError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

async function start(signal: AbortSignal): Promise<void> {
  const settings = settingsOf(process.argv.slice(2));
  await tf.setBackend('wasm');
  const model = await openModel(settings.model);
  const already = quantizedAlready(graphOfModel('npm start', model));
  console.log(already > 0 ? quantizedAnnouncement(settings, already) : announcement(settings));
  const look = already > 0 ? drawQuantized : compareModels;
  const comparison = await look(model, settings, signal);
  model.dispose();
  show(comparison, settings.model);
  signal.throwIfAborted();
  await writeAll(comparison, settings.out);
}

function announcement({ model, method, bits, steps, solver }: Settings): string {
  const names = bits.map(({ name }) => name).join(' and ');
  const rows = `${model} as it is, rounded to nearest and by ${method} at ${names}`;
  return `${rows}; ${steps} steps by ${solver}`;
}

function quantizedAnnouncement({ model, steps, solver }: Settings, linears: number): string {
  const rows = `${model} is quantized already (${linears} linears): its pictures alone are drawn`;
  const wayOut = 'Give the original to --model to quantize it and compare.';
  return `${rows}; ${steps} steps by ${solver}. ${wayOut}`;
}

function show({ figures, reports }: Comparison, name: string): void {
  for (const { title, report } of reports) {
    console.log(`\n${title}: output SQNR in dB by role`);
    console.log(reportTable(report, { by: 'role' }));
  }
  console.log(`\n${name}: the rows of samples.png`);
  console.log(summaryTable(figures));
}

async function writeAll({ files }: Comparison, folder: string): Promise<void> {
  for (const [name, content] of files) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
  const shown = new Set([...files.keys()].map((name) => name.replace(/[/\\].*/, '/')));
  console.log(`Wrote ${[...shown].join(', ')} to ${folder}`);
}
