import { readFileSync } from 'node:fs';
import { fillPart, parseTemplate } from '../../../src/cli/template.js';
import { markdownTable, type TextTable } from '../../../src/cli/textTable.js';
import { barsOf } from './bars.js';
import { PLAN_DEFAULTS } from './plan.js';
import type { EvaluationFile, PairedRow } from './rows.js';
import { offlineTables, pairedTables } from './tables.js';

const TEMPLATE = parseTemplate(readFileSync(new URL('docs.template.md', import.meta.url), 'utf8'));

/** The text of docs/evaluation.md. */
export function evaluationDocs(file: EvaluationFile, sheets: readonly string[]): string {
  const models = [...new Set([...file.paired, ...file.offline].map(({ model }) => model))];
  const bars = barsOf(file).map(({ what, asked, got, reached }) => [
    what,
    asked,
    got,
    reached ? 'reached' : 'NOT reached',
  ]);
  const page = fillPart(TEMPLATE, 'page', {
    bars: markdownTable({ head: ['', 'asked', 'measured', ''], rows: bars }),
    models: models.map((model) => modelSection(model, file, sheets)).join('\n\n'),
  });
  return `${page}\n`;
}

function modelSection(model: string, file: EvaluationFile, sheets: readonly string[]): string {
  const own = {
    version: 1,
    paired: file.paired.filter((row) => row.model === model),
    offline: file.offline.filter((row) => row.model === model),
  } as const;
  const sheet = `evaluation-${model}.png`;
  return fillPart(TEMPLATE, 'model', {
    model,
    synthetic: model.endsWith('-stress') ? fillPart(TEMPLATE, 'synthetic') : '',
    commands: commandsOf(own).join('\n'),
    tables: [...pairedTables(own.paired), ...offlineTables(own.offline)].map(titled).join('\n\n'),
    picture: sheets.includes(sheet) ? fillPart(TEMPLATE, 'picture', { sheet }) : '',
  });
}

function titled(table: TextTable & { readonly title: string }): string {
  return fillPart(TEMPLATE, 'table', { title: table.title, table: markdownTable(table) });
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
  const measured = `--model ${model}${flags.join('')}${end}`;
  return `npm run evaluate -- ${measured} --json out/evaluation/${model}.json`;
}
