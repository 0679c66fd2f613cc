import { type Command, Option } from 'commander';
import { inColumns } from '../../recognize/columns.js';
import { describeGraph } from '../../recognize/describeGraph.js';
import { formatBytes } from '../../report/format.js';
import { withPreset } from '../../rewrite/presetOptions.js';
import { PRESETS } from '../../rewrite/presets.js';
import { settingsFor } from '../../rewrite/settings.js';
import { useBackend } from '../shared/backends.js';
import { type SizeFlags, withSizes } from '../shared/checkpoints.js';
import { type Context, printResult } from '../shared/context.js';
import { type Common, withBackend } from '../shared/flags.js';
import { openModel } from '../shared/models.js';
import { type RecipeFlags, recipeOf } from '../shared/recipes.js';

interface Flags extends Common, SizeFlags, RecipeFlags {
  readonly dryRun?: boolean;
}

/** What would be done to a linear. */
interface Planned {
  readonly name: string;
  readonly role: string;
  readonly shape: readonly [d: number, n: number];
  readonly treatment: string;
  readonly weightBits: number | null;
  readonly activationBits: number | null;
  /** Of its weights: as float32, and about as they would be saved. */
  readonly bytes: { readonly before: number; readonly after: number };
}

export function inspectCommand(program: Command, context: Context): void {
  withSizes(
    withBackend(
      program
        .command('inspect <model>')
        .description('lists the linears of a model, their roles and sizes')
        .option('--dry-run', 'what --preset or --recipe would do to each; nothing is quantized')
        .addOption(new Option('--preset <name>', 'a preset').choices(Object.keys(PRESETS)))
        .option('--recipe <file>', 'options and rules as JSON'),
    ),
  )
    .addHelpText(
      'after',
      `
Examples:
  tfjs-hadanorm inspect model/
  tfjs-hadanorm inspect model/ --dry-run --preset W4A8
  tfjs-hadanorm inspect model/ --dry-run --recipe recipe.json --json`,
    )
    .action((model: string, flags: Flags) => inspect(context, model, flags));
}

async function inspect(context: Context, source: string, flags: Flags): Promise<void> {
  await useBackend(flags.backend);
  const model = await openModel(source, context, flags);
  try {
    const description = describeGraph(model);
    const { linears, others, notes } = description;
    const inputs = model.inputs.map(({ name, shape, dtype }) => ({ name, shape, dtype }));
    if (flags.dryRun || flags.preset !== undefined || flags.recipe !== undefined) {
      const planned = await plan(linears, flags);
      const result = { model: source, inputs, linears: planned, totals: totalsOf(planned) };
      return printResult(context, flags.json, result, () => planText(planned));
    }
    const result = { model: source, inputs, linears, others, notes };
    const text = () => {
      const shown = inputs.map(({ name, shape, dtype }) => `${name} ${dtype} [${shape}]`);
      const weights = linears.reduce((sum, { shape: [d, n] }) => sum + 4 * d * n, 0);
      const sums = `${linears.length} linears, ${formatBytes(weights)} of float32 weights`;
      return `Inputs: ${shown.join(', ')}\n${description}\n${sums}`;
    };
    printResult(context, flags.json, result, text);
  } finally {
    model.dispose();
  }
}

async function plan(
  linears: ReturnType<typeof describeGraph>['linears'],
  flags: Flags,
): Promise<Planned[]> {
  const { preset, ...read } = await recipeOf(flags);
  const options = withPreset('inspect', preset, read);
  return linears.map(({ name, role, shape }) => {
    const { treatment, weights, activations } = settingsFor(options, { name, role });
    const [d, n] = shape;
    const before = 4 * d * n;
    const { format } = weights;
    const isLeft = treatment === 'skip' || format.kind === 'float32';
    const weightBits = isLeft ? null : format.bits;
    const activationBits =
      treatment !== 'transform' || activations.format.kind === 'float32'
        ? null
        : activations.format.bits;
    const granularity = isLeft ? null : format.granularity;
    const groups =
      granularity?.kind === 'perGroup' ? Math.ceil(d / Math.min(granularity.groupSize, d)) : 1;
    const after = isLeft ? before : Math.ceil((d * n * format.bits) / 8) + 4 * groups * n;
    return { name, role, shape, treatment, weightBits, activationBits, bytes: { before, after } };
  });
}

function totalsOf(planned: readonly Planned[]) {
  const sum = (of: 'before' | 'after') => planned.reduce((all, { bytes }) => all + bytes[of], 0);
  return { linears: planned.length, bytes: { before: sum('before'), after: sum('after') } };
}

function planText(planned: readonly Planned[]): string {
  const bits = (prefix: string, count: number | null) => (count === null ? '' : prefix + count);
  const rows = planned.map(
    ({ name, role, shape, treatment, weightBits, activationBits, bytes }) => [
      name,
      role,
      shape.join(' → '),
      treatment,
      `${bits('W', weightBits)}${bits('A', activationBits)}` || 'float32',
      formatBytes(bytes.before),
      `about ${formatBytes(bytes.after)}`,
    ],
  );
  const { bytes } = totalsOf(planned);
  const table = inColumns(['linear', 'role', 'd → n', 'treatment', 'bits', 'now', 'then'], rows);
  const all = `${formatBytes(bytes.before)} become about ${formatBytes(bytes.after)}`;
  const aside = 'what a method stores beside the weights is not counted';
  return `${table}\n${planned.length} linears: ${all}; ${aside}`;
}
