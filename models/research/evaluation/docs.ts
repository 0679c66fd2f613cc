import { markdownTable } from '../../../src/cli/textTable.js';
import { barsOf } from './bars.js';
import { PLAN_DEFAULTS } from './plan.js';
import type { EvaluationFile, PairedRow } from './rows.js';
import { offlineTables, pairedTables } from './tables.js';

const HEAD = `# Evaluation

What quantization does to the trained models of [models/](../models/README.md), for every method and bit-width. Written by \`npm run evaluate -- --docs FILE …\`
from what the commands below measured; nothing is copied by hand.

All methods get the same: the plugin's defaults (4-bit weights in groups of 64 with a searched scale and GPTQ, 8-bit ones to nearest; activations per token,
at 4 bits per token and group of 64; adaLN, embeddings and final layer at 8 bits, weights alone), and one calibration: 16 samples at 5 of 20 Euler steps, as
\`npm start\` has it. They are measured on other noise, with labels evenly spread, through the integer kernels on WASM, without guidance.
\`rtn\` is no transform at all: with GPTQ it is GPTQ on the weights as they are. Tables that say "nearest" round every weight to nearest (\`--rounding nearest\`).

- **(a) Linears**: output SQNR of each transformed linear on the inputs that it has in the original (8 samples at every step), mean over the linears. A linear
  whose product applies the activation function behind it is measured behind that.
- **(b) Velocity**: the quantized model on every input of the original's own trajectory: SQNR of what it says, mean of the steps' decibels.
- **(c) Pictures** from the same noise: PSNR to the original's (peak 2) over all, the mean of the pictures' decibels, and the worst; feature distance: of paired pictures over that of two
  originals of different noise; shares of the pictures in which the [feature network](../models/README.md) reads the same class and attributes as in the original's, and
  the class that was asked for.
- **(d) Offline**: FID and KID in the network's features. These are centered by the mean of real pictures and divided by one number, the root mean square of
  their deviation: a feature weighs what the network gives it, and the distances have no unit. KID is the unbiased squared maximum mean discrepancy with the kernel
  (xᵀy / 128 + 1)³ on all pictures at once; to the original's samples, which come from the same noise, pairs are left out of the cross term, as the U-statistic
  wants it. Intervals are the 2.5 to 97.5 % percentiles of seeded bootstrap resamplings of both sets (pairs as pairs), moved onto the figure; FID to
  the original's samples has no counterpart in the floor, because common noise takes most of its sampling error away. The floor is held-out real pictures against those
  that the model learned from.`;

/** The text of docs/evaluation.md. */
export function evaluationDocs(file: EvaluationFile, sheets: readonly string[]): string {
  const models = [...new Set([...file.paired, ...file.offline].map(({ model }) => model))];
  const bars = barsOf(file).map(({ what, asked, got, reached }) => [
    what,
    asked,
    got,
    reached ? 'reached' : 'NOT reached',
  ]);
  return [
    HEAD,
    '## What is asked for',
    markdownTable({ head: ['', 'asked', 'measured', ''], rows: bars }),
    ...models.flatMap((model) => modelSection(model, file, sheets)),
    '',
  ].join('\n\n');
}

function modelSection(model: string, file: EvaluationFile, sheets: readonly string[]): string[] {
  const own = {
    version: 1,
    paired: file.paired.filter((row) => row.model === model),
    offline: file.offline.filter((row) => row.model === model),
  } as const;
  const synthetic = model.endsWith('-stress')
    ? [
        'SYNTHETIC: the same function with the outliers of large models, by [models/stress.ts](../models/stress.ts).',
      ]
    : [];
  const sheet = `evaluation-${model}.png`;
  const picture = sheets.includes(sheet)
    ? [
        `![Rows: fp32, then the rows of the table in its order](${sheet})`,
        'Rows: fp32, then the configurations in the order of the first table.',
      ]
    : [];
  const tables = [...pairedTables(own.paired), ...offlineTables(own.offline)];
  return [
    `## ${model}`,
    ...synthetic,
    `\`\`\`sh\n${commandsOf(own).join('\n')}\n\`\`\``,
    ...tables.flatMap((table) => [`**${table.title}**`, markdownTable(table)]),
    ...picture,
  ];
}

/** The commands that measure these rows. */
function commandsOf({ paired, offline }: EvaluationFile): string[] {
  const commands = [
    ...paired.map((row) => command(row, [['samples', row.samples]], '')),
    ...offline
      .filter(({ method }) => method !== 'fp32' && method !== 'real')
      .map((row) => {
        const { count, replicates } = row;
        const own = [['count', count] as const, ['replicates', replicates] as const];
        return command(row, own, ' --offline');
      }),
  ];
  return [...new Set(commands)];
}

function command(
  { model, rounding, steps, seed }: Pick<PairedRow, 'model' | 'rounding' | 'steps' | 'seed'>,
  more: readonly (readonly ['samples' | 'count' | 'replicates', number])[],
  end: string,
): string {
  const flags = ([['rounding', rounding], ['steps', steps], ['seed', seed], ...more] as const)
    .filter(([name, value]) => value !== PLAN_DEFAULTS[name])
    .map(([name, value]) => ` --${name} ${value}`);
  return `npm run evaluate -- --model ${model}${flags.join('')}${end} --json out/evaluation/${model}.json`;
}
