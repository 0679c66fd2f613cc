import { type Command, Option } from 'commander';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import type { CalibrationStats } from '../../calibrate/stats.js';
import { selfCheck } from '../../evaluate/selfCheck.js';
import type { RecipeTarget } from '../../report/recipe.js';
import { PRESETS } from '../../rewrite/presets.js';
import { quantize } from '../../rewrite/quantize.js';
import { useBackend, withLittleMemory } from '../shared/backends.js';
import { batchesOf } from '../shared/batches.js';
import { bytesOnDisk, checkpointAt, withSizes } from '../shared/checkpoints.js';
import { type Context, watched } from '../shared/context.js';
import { type Common, type Out, withBackend, withInputs, withOut } from '../shared/flags.js';
import { openModel } from '../shared/models.js';
import { checkFree } from '../shared/outputs.js';
import { inOwnProcess, wantsOwnProcess } from '../shared/ownProcess.js';
import { writePacked } from '../shared/packed.js';
import { presetLines, type RecipeFlags, type RecipeOptions, recipeOf } from '../shared/recipes.js';
import { checkSchedule, checkUnscheduled } from '../shared/scheduler.js';
import { isStreamed, streamed } from '../shared/streamed.js';
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

interface Flags extends Common, Out, CalibrationFlags, RecipeFlags {
  readonly stats?: string;
  readonly minSqnr?: number;
  readonly meanSqnr?: number;
  readonly maxSize?: number;
  readonly compare?: boolean;
  readonly sequential?: boolean;
  readonly selfCheck: boolean;
  readonly child: 'auto' | 'always' | 'never';
}

export function quantizeCommand(program: Command, context: Context): void {
  const command = program
    .command('quantize <model>')
    .description('writes a quantized model, with report.json of what was done and recipe.json')
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
    .option('--no-self-check', 'do not check the kernels against their definition')
    .addOption(
      new Option('--child <when>', 'work in a process of its own, whose heap gives memory back')
        .choices(['auto', 'always', 'never'])
        .default('auto'),
    );
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
samples. With --inputs of files it is calibrated part by part while it loads; with a module, a
target, --sequential or from a server it is loaded whole.`,
    )
    .action((model: string, flags: Flags) => run(context, model, flags));
}

async function run(context: Context, source: string, flags: Flags): Promise<void> {
  // before anything is read: this process does nothing but wait
  if (await isForChild(source, flags.child)) return inOwnProcess();
  const target = targetOf(flags);
  const recipe = await recipeOf(flags);
  const given = flags.stats === undefined ? null : await readStats(flags.stats);
  await checkFree(flags.out, flags.force, 'folder');
  await checkSchedule(flags);
  withLittleMemory();
  await useBackend(flags.backend);
  const checkpoint = flags.scheduler === undefined ? await checkpointAt(source) : null;
  if (checkpoint !== null) {
    checkUnscheduled(flags, 'checkpoint');
    if (target === undefined && isStreamed(checkpoint, flags)) {
      return streamed(context, checkpoint, recipe, given, flags);
    }
    if (flags.inputs === undefined) checkMeasured(flags, given);
  }
  return whole(context, source, given, recipe, flags);
}

/** Bytes of a model from which on the heap of a process of its own is worth the start. */
const LARGE = 2 ** 29;

async function isForChild(source: string, child: Flags['child']): Promise<boolean> {
  if (child === 'never' || !wantsOwnProcess()) return false;
  return child === 'always' || (await bytesOnDisk(source)) >= LARGE;
}

/** @throws InvalidArgumentError for what a checkpoint without inputs cannot have. */
function checkMeasured({ sequential }: Flags, stats: CalibrationStats | null): void {
  const wanted = 'with --inputs or --scheduler';
  const wayOut = 'A checkpoint has no samples of its own to measure on.';
  const wrong = (argument: string) =>
    new InvalidArgumentError('quantize', argument, wanted, 'none of them', wayOut);
  if (sequential) throw wrong('--sequential');
  if (stats === null) throw wrong('target');
}

/** A model, or a checkpoint that is loaded whole. */
async function whole(
  context: Context,
  source: string,
  given: CalibrationStats | null,
  asked: RecipeOptions,
  flags: Flags,
): Promise<void> {
  const target = targetOf(flags);
  const model = await openModel(source, context, flags);
  try {
    const from = flags.sequential
      ? await batchesOf(model, flags, context.signal)
      : (given ?? (await calibrated(context, model, flags)));
    const made = await quantize(model, from, {
      ...(flags.sequential ? { sequential: true, calibrate: calibrationOf(model, flags) } : {}),
      ...asked,
      ...(target === undefined ? {} : { target }),
      ...(flags.compare ? { compare: true } : {}),
      ...watched(context),
    });
    try {
      if (flags.selfCheck) await selfCheck(made.model, watched(context));
      await writePacked(context, made, asked, flags);
    } finally {
      made.model.dispose();
    }
  } finally {
    model.dispose();
  }
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
