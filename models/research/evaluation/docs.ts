import { readFileSync } from 'node:fs';
import { fillPart, parseTemplate } from '../../../src/cli/template.js';
import { markdownTable } from '../../../src/cli/textTable.js';
import { barsOf } from './bars.js';
import type { TitledTable } from './cells.js';
import { CONFIGURATIONS } from './configurations.js';
import { figureName, figureRows } from './figure.js';
import { offlineTables } from './offlineTables.js';
import { PLAN_DEFAULTS } from './plan.js';
import { EMPTY_FILE, type EvaluationFile, type PairedRow } from './rows.js';
import { answerTable, pairedTables } from './tables.js';

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
  const named = Object.entries(CONFIGURATIONS).map(([name, { description }]) => [
    `\`${name}\``,
    description,
  ]);
  const page = fillPart(TEMPLATE, 'page', {
    answer: markdownTable(answerTable(file.paired)),
    configurations: markdownTable({ head: ['configuration', 'is'], rows: named, texts: 2 }),
    bars: markdownTable({ head: ['', 'asked', 'measured', ''], rows: bars }),
    models: models.map((model) => modelSection(model, file, sheets)).join('\n\n'),
  });
  return `${page}\n`;
}

function modelSection(model: string, file: EvaluationFile, sheets: readonly string[]): string {
  const own = {
    ...EMPTY_FILE,
    paired: file.paired.filter((row) => row.model === model),
    offline: file.offline.filter((row) => row.model === model),
  };
  const sheet = `evaluation-${model}.png`;
  return fillPart(TEMPLATE, 'model', {
    model,
    synthetic: model.endsWith('-stress') ? fillPart(TEMPLATE, 'synthetic') : '',
    commands: commandsOf(own).join('\n'),
    figure:
      figureRows(own.paired).length === 0
        ? ''
        : fillPart(TEMPLATE, 'figure', { figure: figureName(model) }),
    tables: [...pairedTables(own.paired), ...offlineTables(own.offline)].map(titled).join('\n\n'),
    picture: sheets.includes(sheet) ? fillPart(TEMPLATE, 'picture', { sheet }) : '',
  });
}

function titled(table: TitledTable): string {
  return fillPart(TEMPLATE, 'table', { title: table.title, table: markdownTable(table) });
}

/** The commands that measure these rows. */
function commandsOf({ paired, offline }: EvaluationFile): string[] {
  const commands = [
    ...paired.map((row) => command(row, [['samples', row.samples]], '')),
    ...offline
      .filter(({ configuration }) => configuration !== 'fp32' && configuration !== 'real')
      .map((row) => {
        const { count, replicates } = row;
        const own = [['count', count] as const, ['replicates', replicates] as const];
        return command(row, own, ' --offline');
      }),
  ];
  return [...new Set(commands)];
}

function command(
  { model, steps, seed, backend }: Pick<PairedRow, 'model' | 'steps' | 'seed' | 'backend'>,
  more: readonly (readonly ['samples' | 'count' | 'replicates', number])[],
  end: string,
): string {
  const flags = ([['steps', steps], ['seed', seed], ...more] as const)
    .filter(([name, value]) => value !== PLAN_DEFAULTS[name])
    .map(([name, value]) => ` --${name} ${value}`);
  const where = backend === PLAN_DEFAULTS.backend ? '' : ` --backend ${backend}`;
  const measured = `--model ${model}${where}${flags.join('')}${end}`;
  return `npm run evaluate -- ${measured} --json out/evaluation/${model}.json`;
}
