/**
 * npm run pathologies -- [--model avatars-nano] [--weights FILE … --heads N] [--json FILE]
 * npm run pathologies -- --docs FILE …
 *
 * What makes a trained avatar model hard to quantize, by layer and time, and what each part of
 * HadaNorm does about it. `--weights` measures safetensors in facebookresearch's names in the place
 * of the model's own weights; `--docs` writes docs/pathologies.md from the files that `--json`
 * wrote. Ctrl-C stops.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { interruptible } from '../../../src/cli/interruptible.js';
import type { TextTable } from '../../../src/cli/textTable.js';
import { HadaNormError } from '../../../src/index.js';
import { mergeShards, parseSafetensors } from '../../../src/load/safetensors.js';
import { buildDit, ditConfigOf } from '../../builder/dit.js';
import { loadTrained } from '../../load.js';
import { METHOD_ROWS } from './ablation.js';
import { pathologiesDocs } from './docs.js';
import { FIRST_ROUND } from './firstRound.js';
import { type Command, commandOf } from './flags.js';
import { measureModel } from './measureModel.js';
import { type PathologiesFile, readPathologies } from './results.js';
import { StepBar } from './stepBar.js';
import { ablationTable, consoleTable, layersByTime, STATISTICS, scalesByTime } from './tables.js';

const DOCS = fileURLToPath(new URL('../../../docs/pathologies.md', import.meta.url));

type MeasureCommand = Extract<Command, { kind: 'measure' }>;

try {
  const command = commandOf(process.argv.slice(2));
  if (command.kind === 'docs') {
    const files = command.files.map((file) => readPathologies(readFileSync(file, 'utf8'), file));
    writeFileSync(DOCS, pathologiesDocs(files));
  } else {
    await measureAndShow(command);
  }
} catch (error) {
  if (!(error instanceof HadaNormError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

async function measureAndShow(command: MeasureCommand): Promise<void> {
  await tf.setBackend('wasm');
  const model = await load(command);
  const bar = new StepBar();
  const measure = async (signal: AbortSignal) => {
    const measured = await measureModel(model, {
      signal,
      onProgress: (step, done, total) => bar.update(step, done, total),
    }).finally(() => bar.stop());
    const file: PathologiesFile = {
      version: 1,
      command: spelled(command),
      model: command.model,
      weights: command.weights === null ? 'shipped' : 'given',
      methods: METHOD_ROWS.map(({ name }) => name),
      ...measured,
    };
    show(file);
    if (command.json !== null) writeFileSync(command.json, `${JSON.stringify(file, null, 1)}\n`);
  };
  try {
    await interruptible(measure, 'Stopped; nothing was written.');
  } finally {
    model.dispose();
  }
}

function show({ statistics, ablation, model, weights }: PathologiesFile): void {
  const tables: TextTable[] = [
    ...STATISTICS.map((statistic) => layersByTime(statistics, statistic)),
    scalesByTime(statistics),
    ablationTable(ablation, weights === 'given' ? FIRST_ROUND[model] : undefined),
  ];
  for (const table of tables) console.log(consoleTable(table));
}

async function load({ model, weights: given }: MeasureCommand): Promise<tf.GraphModel> {
  if (given === null) return loadTrained(model);
  const weights = mergeShards(given.files.map((file) => parseSafetensors(readFileSync(file))));
  return tf.loadGraphModel(tf.io.fromMemory(buildDit(ditConfigOf(weights, given.heads), weights)));
}

/** The command without the paths of this machine. */
function spelled({ model, weights }: MeasureCommand): string {
  const given = weights === null ? '' : ` --weights *.safetensors --heads ${weights.heads}`;
  return `npm run pathologies -- --model ${model}${given} --json FILE`;
}
