/**
 * npm run evaluate [-- --model avatars-nano --configurations rtn,gptq,hadamard,hadanorm,…
 * --bits W8A8,W4A8,W4A4 --samples 512 --steps 8 --seed 7 --offline --count 4096 --replicates 200
 * --backend wasm --json FILE --cache FOLDER --statistics FOLDER --sheet PNG]
 *
 * Measures what quantization does to a trained model: docs/evaluation.md says how. Rows that are in
 * the file of --json already are not measured again, and samples of --offline are kept in --cache:
 * a run that was cut off goes on. Runs side by side share a calibration by --statistics.
 *
 * npm run evaluate -- --docs FILE … writes docs/evaluation.md from such files.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setBackend } from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { Table } from 'console-table-printer';
import { openDawn } from '../../../scripts/provision/openDawn.js';
import { orExit } from '../../../src/cli/flags.js';
import { interruptible } from '../../../src/cli/interruptible.js';
import { HadaNormError } from '../../../src/index.js';
import { mean } from '../../../src/math/decibels.js';
import { writeWhole } from '../../../src/node/wholeFiles.js';
import { loadTrained } from '../../load.js';
import { withConsoleBar } from '../../progress.js';
import { Sheet } from '../../sheet.js';
import { FeatureNetwork, loadReference } from '../features.js';
import type { TitledTable } from './cells.js';
import { evaluationDocs } from './docs.js';
import { evaluate } from './evaluate.js';
import { figuresOf } from './figure.js';
import { commandOf } from './flags.js';
import { offlineTables } from './offlineTables.js';
import { type BackendName, type EvaluationPlan, networkOf } from './plan.js';
import {
  EMPTY_FILE,
  type EvaluationFile,
  mergedFiles,
  readRows,
  readRowsIfAny,
  writeRows,
} from './rows.js';
import type { KeptStatistics } from './subject.js';
import { pictureTable } from './tables.js';

const DOCS = fileURLToPath(new URL('../../../docs/', import.meta.url));

const command = orExit(() => commandOf(process.argv.slice(2)));
if (command.kind === 'docs') await writeDocs(command.files);
else await run(command.plan);

async function writeDocs(files: readonly string[]): Promise<void> {
  const file = mergedFiles(await Promise.all(files.map(readRows)));
  const path = join(DOCS, 'evaluation.md');
  for (const { name, svg } of await figuresOf(file.paired)) await writeFile(join(DOCS, name), svg);
  await writeFile(path, evaluationDocs(file, await readdir(DOCS)));
  console.log(`Wrote ${path}`);
}

async function run(plan: EvaluationPlan): Promise<void> {
  await start(plan.backend);
  let known = plan.json === null ? EMPTY_FILE : await readRowsIfAny(plan.json);
  let fresh: EvaluationFile = EMPTY_FILE;
  const keep = async (rows: Partial<EvaluationFile>) => {
    fresh = mergedFiles([fresh, { ...EMPTY_FILE, ...rows }]);
    known = mergedFiles([known, { ...EMPTY_FILE, ...rows }]);
    if (plan.json !== null) await writeRows(plan.json, known);
  };
  const sheet = plan.sheet === null ? null : new Sheet();
  const model = await loadTrained(plan.model);
  const network = await FeatureNetwork.load(networkOf(plan.model));
  const measure = async (signal: AbortSignal) => {
    await evaluate({
      plan,
      model,
      network,
      reference: () => loadReference(networkOf(plan.model)),
      known,
      kept: statisticsIn(plan),
      sheet,
      signal,
      withBar: withConsoleBar,
      onPaired: async (row) => {
        const decibels = `mean ${mean(row.pictures).toFixed(2)} dB, PSNR ${row.psnr.toFixed(2)} dB`;
        console.error(`${row.configuration} ${row.bits}: ${decibels}`);
        await keep({ paired: [row] });
      },
      onOffline: async (row) => {
        console.error(
          `${row.configuration} ${row.bits ?? ''}: FID to real ${row.real.fid.value.toFixed(3)}`,
        );
        await keep({ offline: [row] });
      },
    });
    if (sheet !== null && plan.sheet !== null) {
      await mkdir(dirname(plan.sheet), { recursive: true });
      await writeFile(plan.sheet, sheet.png());
    }
  };
  try {
    await interruptible(measure, 'Stopped; these are the rows so far.');
  } finally {
    network.dispose();
    model.dispose();
  }
  show(plan.json === null ? fresh : known, plan);
}

/** @throws HadaNormError where the backend does not start. */
async function start(backend: BackendName): Promise<void> {
  if (backend === 'webgpu') {
    const missing = await openDawn();
    if (missing !== undefined) throw new HadaNormError('evaluate', `--backend webgpu: ${missing}`);
    await import('@tensorflow/tfjs-backend-webgpu');
  }
  if (!(await setBackend(backend))) {
    throw new HadaNormError('evaluate', `the backend ${backend} does not start here`);
  }
}

/** In a file of the model, which is there whole or not at all. */
function statisticsIn({ statistics, model, backend }: EvaluationPlan): KeptStatistics {
  if (statistics === null) return { read: async () => null, write: async () => {} };
  const name = `${model}-${backend}.stats`;
  const file = join(statistics, name);
  return {
    read: async () => (existsSync(file) ? readFile(file) : null),
    write: (bytes) => writeWhole(statistics, [[name, bytes]]),
  };
}

/** Prints the rows of the plan's model. */
function show({ paired, offline }: EvaluationFile, { model, json }: EvaluationPlan): void {
  const own = paired.filter((row) => row.model === model);
  const tables = [
    ...(own.length === 0 ? [] : [pictureTable(model, own)]),
    ...offlineTables(offline.filter((row) => row.model === model)),
  ];
  for (const table of tables) printTable(table);
  if (json !== null && existsSync(json)) console.log(`Rows are in ${json}`);
}

function printTable({ title, head, rows, texts }: TitledTable): void {
  const columns = head.map((name, i) => ({
    name,
    alignment: i < texts ? ('left' as const) : ('right' as const),
  }));
  const table = new Table({ title, columns });
  for (const cells of rows) {
    table.addRow(Object.fromEntries(head.map((name, i) => [name, cells[i] ?? ''])));
  }
  table.printTable();
}
