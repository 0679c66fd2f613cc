import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { type Command, Option } from 'commander';
import { fetchValues } from '../../../ops/common/alive.js';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { denoise } from '../../diffusion/denoise.js';
import { SOLVERS, type Solver } from '../../diffusion/options.js';
import { sample } from '../../diffusion/sampler.js';
import { useBackend } from '../shared/backends.js';
import { type SizeFlags, withSizes } from '../shared/checkpoints.js';
import { conditionsOf, disposeGiven } from '../shared/conditions.js';
import { type Context, printResult } from '../shared/context.js';
import { type Common, type Out, withBackend, withOut } from '../shared/flags.js';
import { openModel } from '../shared/models.js';
import { npyBytes } from '../shared/npy.js';
import { checkFree, writeFileWhole } from '../shared/outputs.js';
import {
  checkSchedule,
  checkUnscheduled,
  isOfCheckpoint,
  readSchedule,
  type ScheduleFlags,
  withScheduler,
} from '../shared/scheduler.js';
import { readInteger } from '../shared/values.js';

interface Flags extends Common, Out, SizeFlags, ScheduleFlags {
  readonly steps: number;
  readonly solver: Solver;
  readonly seed: number;
}

export function sampleCommand(program: Command, context: Context): void {
  const solver = new Option('--solver <name>', 'how a step is taken, without --scheduler');
  const command = withScheduler(program.command('sample <model>'))
    .description('draws samples with a model, quantized or not, and writes them as .npy')
    .option('--steps <n>', 'from noise to data', readInteger(1), 20)
    .addOption(solver.choices(SOLVERS).default('euler').conflicts('scheduler'))
    .option('--seed <n>', 'of the noise', readInteger(0), 0);
  withBackend(withSizes(withOut(command, 'file, float32 [samples, height, width, channels]')))
    .addHelpText(
      'after',
      `
Examples:
  tfjs-hadanorm sample small/ --labels 0,5,10 -o faces.npy
  tfjs-hadanorm sample small/ --scheduler DiT-XL-2-256/scheduler --labels 1,3 --cfg 4 -o l.npy
  tfjs-hadanorm sample small/ --scheduler scheduler/ --conditions captions.npz --cfg 4.5 \\
    --none empty.npz -o latents.npy

A published checkpoint is drawn from by its --scheduler; what comes out are latents, for the decoder
of its VAE.`,
    )
    .action((model: string, flags: Flags) => run(context, model, flags));
}

async function run(context: Context, source: string, flags: Flags): Promise<void> {
  const { out } = flags;
  const { signal } = context;
  if (flags.scheduler === undefined) checkUnscheduled(flags);
  await checkFree(out, flags.force, 'file');
  await checkSchedule(flags);
  await useBackend(flags.backend);
  const model = await openModel(source, context, flags);
  try {
    const samples = await (flags.scheduler === undefined ? drawn : denoised)(context, model, flags);
    const { shape } = samples;
    const values = await fetchValues<'float32'>('sample', samples);
    samples.dispose();
    await writeFileWhole(out, npyBytes(values, shape), signal);
    printResult(context, flags.json, { out, shape }, () => `${out}: float32 [${shape}]`);
  } finally {
    model.dispose();
  }
}

/** Samples of a DiT as `buildDit` makes them. */
async function drawn(
  { signal, onProgress }: Context,
  model: GraphModel,
  { labels, steps, solver, cfg, seed }: Flags,
): Promise<Tensor4D> {
  const wrong = (flag: string, wanted: string) =>
    new InvalidArgumentError('sample', flag, wanted, 'none');
  if (isOfCheckpoint(model)) {
    const wanted = "the hub's scheduler_config.json, for a model of a checkpoint";
    throw wrong('--scheduler', wanted);
  }
  if (labels === undefined) throw wrong('--labels', 'the class of each sample, such as 0,1,2');
  return sample(model, { labels, steps, solver, cfg, seed, signal, onProgress });
}

/** Latents of a published checkpoint, by its scheduler. */
async function denoised(
  { signal, onProgress }: Context,
  model: GraphModel,
  flags: Flags,
): Promise<Tensor4D> {
  const schedule = await readSchedule(flags);
  const conditions = await conditionsOf(model, flags, 0);
  const all = conditions.of(0, conditions.samples);
  try {
    const { seed } = flags;
    return await denoise(model, { ...all, schedule, seed, signal, onProgress });
  } finally {
    disposeGiven(all);
  }
}
