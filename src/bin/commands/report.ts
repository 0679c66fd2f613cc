import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { HadaNormError } from '../../../ops/numerics/errors.js';
import type { QuantizationReport } from '../../report/report.js';
import { reportHtml } from '../../report/reportHtml.js';
import { parseReport, reportJson } from '../../report/reportJson.js';
import { reportTable } from '../../report/reportTable.js';
import type { Context } from '../shared/context.js';
import { checkFree, writeFileWhole } from '../shared/outputs.js';

const FORMATS = ['table', 'json', 'csv', 'html'] as const;

interface Flags {
  readonly format: (typeof FORMATS)[number];
  readonly by: 'linear' | 'role';
  readonly out?: string;
  readonly force?: boolean;
}

export function reportCommand(program: Command, context: Context): void {
  program
    .command('report <path>')
    .description('shows the report of a quantized model: its folder, or report.json')
    .addOption(new Option('--format <name>', 'how').choices(FORMATS).default('table'))
    .addOption(
      new Option('--by <what>', 'rows of a table').choices(['linear', 'role']).default('linear'),
    )
    .option('-o, --out <file>', 'file in place of stdout')
    .option('--force', 'overwrite what is there')
    .addHelpText(
      'after',
      `
Examples:
  tfjs-hadanorm report small/ --by role
  tfjs-hadanorm report small/ --format csv > linears.csv
  tfjs-hadanorm report small/ --format html -o report.html`,
    )
    .action((path: string, flags: Flags) => run(context, path, flags));
}

async function run(context: Context, path: string, flags: Flags): Promise<void> {
  const { out } = flags;
  if (out !== undefined) await checkFree(out, flags.force, 'file');
  const report = await readReport(path);
  const text = await written(report, path, flags);
  if (out === undefined) context.show(text);
  else await writeFileWhole(out, text, context.signal);
}

async function readReport(path: string): Promise<QuantizationReport> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, 'report.json') : path;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : `${cause}`;
    throw Object.assign(new HadaNormError('report', `${file} cannot be read: ${words}`), { cause });
  }
  return parseReport(text);
}

function written(
  report: QuantizationReport,
  title: string,
  { format, by }: Flags,
): string | Promise<string> {
  switch (format) {
    case 'table':
      return reportTable(report, { by });
    case 'json':
      return reportJson(report);
    case 'csv':
      return csv(report);
    case 'html':
      return reportHtml(report, { title });
    default:
      return format satisfies never;
  }
}

const COLUMNS = [
  ...['linear', 'role', 'd', 'n', 'treatment', 'method', 'weight bits', 'activation bits'],
  ...['execution', 'bytes before', 'bytes after', 'output dB', 'output dB in 8 bits'],
];

/** A row for each linear, by RFC 4180. */
function csv({ linears }: QuantizationReport): string {
  const rows = linears.map((linear) => [
    ...[linear.name, linear.role, ...linear.shape, linear.treatment, linear.method],
    ...[linear.weightBits, linear.activationBits, linear.execution],
    ...[linear.bytes.before, linear.bytes.after, linear.sqnr?.output, linear.at8Bits?.output],
  ]);
  return [COLUMNS, ...rows].map((row) => row.map(field).join(',')).join('\r\n');
}

function field(value: unknown): string {
  const text = `${value ?? ''}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
