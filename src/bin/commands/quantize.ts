import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { WatchOptions } from '../../../ops/common/progress.js';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { selfCheck } from '../../evaluate/selfCheck.js';
import {
  type QuantizeCheckpointOptions,
  quantizeCheckpoint,
} from '../../load/quantizeCheckpoint.js';
import type { CheckpointSource } from '../../load/source/open.js';
import { writeWhole } from '../../node/wholeFiles.js';
import type { RecipeTarget } from '../../report/recipe.js';
import { reportJson } from '../../report/reportJson.js';
import { reportTable } from '../../report/reportTable.js';
import { PRESETS, type PresetName } from '../../rewrite/presets.js';
import { type QuantizeResult, quantize } from '../../rewrite/quantize.js';
import { quantizedFiles } from '../../save/saveQuantized.js';
import { useBackend } from '../shared/backends.js';
import { batchesOf } from '../shared/batches.js';
import { checkpointAt, sizesOf, withSizes } from '../shared/checkpoints.js';
import { type Context, printResult } from '../shared/context.js';
import { type Common, type Out, withBackend, withInputs, withOut } from '../shared/flags.js';
import { openModel } from '../shared/models.js';
import { checkFree } from '../shared/outputs.js';
import { presetLines, readRecipe } from '../shared/recipes.js';
import { checkSchedule } from '../shared/scheduler.js';
import { readBytes, readNumber } from '../shared/values.js';
import {
  type CalibrationFlags,
  calibrated,
  calibrationOf,
  readStats,
  STEPS,
  TRAJECTORIES,
  withTimestep,
} from './calibrate.js';

interface Flags extends Common, Out, CalibrationFlags {
  readonly preset?: PresetName;
  readonly recipe?: string;
  readonly stats?: string;
  readonly minSqnr?: number;
  readonly meanSqnr?: number;
  readonly maxSize?: number;
  readonly compare?: boolean;
  readonly sequential?: boolean;
  readonly selfCheck: boolean;
}

export function quantizeCommand(program: Command, context: Context): void {
  const command = program
    .command('quantize <model>')
    .description('writes a quantized model, and what was done as report.json beside it')
    .addOption(new Option('--preset <name>', 'bits').choices(Object.keys(PRESETS)))
    .option('--recipe <file>', 'options of rewriteGraph and rules, as JSON')
    .option('--min-sqnr <dB>', 'no linear below; the worst get 8 bits', readNumber)
    .option('--mean-sqnr <dB>', 'on average', readNumber)
    .option('--max-size <bytes>', 'the worst linears get 8 bits while it fits', readBytes)
    .addOption(
      new Option('--stats <file>', 'statistics of calibrate, in place of inputs').conflicts([
        'inputs',
        'scheduler',
      ]),
    )
    .addOption(
      new Option(
        '--sequential',
        'calibrate each linear on what the quantized ones before it give',
      ).conflicts('stats'),
    )
    .option('--compare', 'measure other methods too, for the report')
    .option('--no-self-check', 'do not check the kernels against their definition');
  withSizes(withBackend(withTimestep(withInputs(command, TRAJECTORIES, STEPS))));
  withOut(command, 'folder of the quantized model')
    .addHelpText(
      'after',
      `
Presets (default W4A8):
${presetLines()}

Examples:
  tfjs-hadanorm quantize model/ -o small/
  tfjs-hadanorm quantize model/ --preset W4A4 --min-sqnr 30 -o small/
  tfjs-hadanorm quantize model/ --sequential --trajectories 16 -o small/
  tfjs-hadanorm quantize model/ --stats model.stats --max-size 3.5MB -o small/ --force
  tfjs-hadanorm quantize DiT-XL-2-256/transformer/ -o small/
  tfjs-hadanorm quantize DiT-XL-2-256/transformer/ --scheduler DiT-XL-2-256/scheduler -o small/

The last two are of a published checkpoint (config.json and .safetensors): as it is it is quantized
while it loads, by rotation alone; with --scheduler it is loaded whole and calibrated on its own
samples, with --inputs as any model is.`,
    )
    .action((model: string, flags: Flags) => run(context, model, flags));
}

async function run(context: Context, source: string, flags: Flags): Promise<void> {
  const target = targetOf(flags);
  const recipe = flags.recipe === undefined ? {} : await readRecipe(flags.recipe);
  const given = flags.stats === undefined ? null : await readStats(flags.stats);
  await checkFree(flags.out, flags.force, 'folder');
  await checkSchedule(flags);
  await useBackend(flags.backend);
  const isMeasured = flags.inputs !== undefined || flags.scheduler !== undefined;
  const checkpoint = isMeasured ? null : await checkpointAt(source);
  if (checkpoint !== null && flags.sequential) {
    const wanted = 'with --inputs or --scheduler for a checkpoint';
    throw new InvalidArgumentError('quantize', '--sequential', wanted, 'none of them');
  }
  if (checkpoint !== null && target === undefined) {
    const stats = given === null ? {} : { stats: given };
    return streamed(context, checkpoint, { ...recipe, ...stats }, flags);
  }
  if (checkpoint !== null && given === null) {
    const wayOut = 'A checkpoint has no samples of its own to measure on.';
    const wanted = 'with --inputs or --scheduler';
    throw new InvalidArgumentError('quantize', 'target', wanted, 'none of them', wayOut);
  }
  const model = await openModel(source, context, flags);
  try {
    const { signal } = context;
    const from = flags.sequential
      ? await batchesOf(model, flags, signal)
      : (given ?? (await calibrated(context, model, flags)));
    const made = await quantize(model, from, {
      preset: 'W4A8',
      ...(flags.sequential ? { sequential: true, calibrate: calibrationOf(model, flags) } : {}),
      ...recipe,
      ...(flags.preset === undefined ? {} : { preset: flags.preset }),
      ...(target === undefined ? {} : { target }),
      ...(flags.compare ? { compare: true } : {}),
      ...watched(context),
    });
    try {
      if (flags.selfCheck) await selfCheck(made.model, watched(context));
      await write(context, made, flags);
    } finally {
      made.model.dispose();
    }
  } finally {
    model.dispose();
  }
}

/** A published checkpoint, packed as its weights come. */
async function streamed(
  context: Context,
  checkpoint: CheckpointSource,
  options: QuantizeCheckpointOptions,
  flags: Flags,
): Promise<void> {
  const { preset, compare, selfCheck: checks } = flags;
  const made = await quantizeCheckpoint(checkpoint, {
    ...options,
    ...sizesOf(flags),
    ...(preset === undefined ? {} : { preset }),
    ...(compare ? { compare } : {}),
    ...watched(context),
  });
  try {
    if (checks) await selfCheck(made.model, watched(context));
    await write(context, { ...made, recipe: null }, flags);
  } finally {
    made.model.dispose();
  }
}

/** What long work is watched by. */
function watched({ signal, onProgress }: Context): WatchOptions {
  return { signal, onProgress };
}

function targetOf({ minSqnr, meanSqnr, maxSize }: Flags): RecipeTarget | undefined {
  const targets: RecipeTarget[] = [
    ...(minSqnr === undefined ? [] : [{ minSqnr }]),
    ...(meanSqnr === undefined ? [] : [{ meanSqnr }]),
    ...(maxSize === undefined ? [] : [{ maxBytes: maxSize }]),
  ];
  if (targets.length <= 1) return targets[0];
  const wanted = 'one of --min-sqnr, --mean-sqnr and --max-size';
  throw new InvalidArgumentError('quantize', 'target', wanted, `${targets.length} of them`);
}

/** All files, or none. */
async function write(
  context: Context,
  made: Omit<QuantizeResult, 'stats'>,
  flags: Flags,
): Promise<void> {
  const { model, report, recipe } = made;
  const { signal } = context;
  const files = await quantizedFiles(model, watched(context));
  const { 'model.json': json, ...shards } = Object.fromEntries(files);
  const text = new TextEncoder();
  // model.json last: until then the former one stands
  const all = { ...shards, 'report.json': text.encode(reportJson(report)), 'model.json': json! };
  const out = resolve(flags.out);
  await writeWhole(out, new Map(Object.entries(all)), signal);
  const fileBytes = [...files.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  const raised = recipe?.rules.map(({ match }) => match) ?? [];
  const outputs = report.linears.flatMap(({ treatment, sqnr }) =>
    treatment === 'transformed' && sqnr !== null ? [sqnr.output] : [],
  );
  const { totals, notes = [] } = report;
  const sqnr = {
    min: outputs.length === 0 ? null : Math.min(...outputs),
    mean: totals.sqnr?.output ?? null,
  };
  const result = { out: flags.out, fileBytes, sqnr, in8Bits: raised, totals, notes };
  printResult(context, flags.json, result, () => {
    const in8 = recipe === null ? '' : `, ${raised.length} linears in 8 bits for the target`;
    const least =
      sqnr.min === null ? 'nothing measured' : `least output SQNR ${sqnr.min.toFixed(1)} dB`;
    return `${reportTable(report, { by: 'role' })}\n${flags.out}: ${least}${in8}`;
  });
}
