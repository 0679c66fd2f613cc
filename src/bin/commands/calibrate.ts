import { readFile } from 'node:fs/promises';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import type { Command } from 'commander';
import { HadaNormError } from '../../../ops/numerics/errors.js';
import { calibrate } from '../../calibrate/calibrate.js';
import type { CalibrateOptions } from '../../calibrate/settings.js';
import { CalibrationStats } from '../../calibrate/stats.js';
import { useBackend } from '../shared/backends.js';
import { batchesOf } from '../shared/batches.js';
import { type SizeFlags, withSizes } from '../shared/checkpoints.js';
import { type Context, printResult } from '../shared/context.js';
import {
  type Common,
  type InputFlags,
  type Out,
  withBackend,
  withInputs,
  withJson,
  withOut,
  withShard,
} from '../shared/flags.js';
import { openModel } from '../shared/models.js';
import { checkFree, writeFileWhole } from '../shared/outputs.js';
import { checkSchedule } from '../shared/scheduler.js';
import type { Shard } from '../shared/values.js';

/** Samples that a calibration follows, where nothing else is said, and steps of each. */
export const TRAJECTORIES = 8;
export const STEPS = 10;

/** Flags of what calibrates. */
export interface CalibrationFlags extends InputFlags, SizeFlags {
  readonly shard?: Shard;
  /** An input of the model with the timesteps, for statistics by time. */
  readonly timestep?: string;
}

interface Flags extends Common, Out, CalibrationFlags {}

export function calibrateCommand(program: Command, context: Context): void {
  const command = program
    .command('calibrate <model>')
    .description('runs a model on batches and writes the statistics that quantization needs');
  withSizes(withBackend(withShard(withTimestep(withInputs(command, TRAJECTORIES, STEPS)))));
  withOut(command, 'file of the statistics')
    .addHelpText(
      'after',
      `
Examples:
  tfjs-hadanorm calibrate model/ --trajectories 16 -o model.stats
  tfjs-hadanorm calibrate model/ -i inputs.npz -o model.stats
  tfjs-hadanorm calibrate model/ -i batches.mjs --shard 2/8 -o part-2.stats`,
    )
    .action((model: string, flags: Flags) => runCalibrate(context, model, flags));
}

export function mergeCommand(program: Command, context: Context): void {
  const command = program
    .command('merge <stats...>')
    .description('makes one file of statistics of those of shards');
  withJson(withOut(command, 'file of all'))
    .addHelpText('after', '\nExample:\n  tfjs-hadanorm merge part-*.stats -o model.stats')
    .action((files: string[], flags: Flags) => merge(context, files, flags));
}

export function withTimestep(command: Command): Command {
  return command.option(
    '--timestep <input>',
    'input of the timesteps (default where there is one)',
  );
}

async function runCalibrate(context: Context, source: string, flags: Flags): Promise<void> {
  await checkFree(flags.out, flags.force, 'file');
  await checkSchedule(flags);
  await useBackend(flags.backend);
  const model = await openModel(source, context, flags);
  try {
    const stats = await calibrated(context, model, flags);
    await writeStats(context, stats, flags);
  } finally {
    model.dispose();
  }
}

/** Statistics of what the flags name. */
export async function calibrated(
  context: Context,
  model: GraphModel,
  flags: CalibrationFlags,
): Promise<CalibrationStats> {
  const { signal, onProgress } = context;
  const batches = await batchesOf(model, flags, signal);
  // progress of batches: those of a sampler are steps between them
  const watch = { signal, onProgress };
  const stats = await calibrate(model, batches, { ...calibrationOf(model, flags), ...watch });
  if (stats.batches > 0) return stats;
  const shard = flags.shard === undefined ? '' : ` in shard ${flags.shard.index}`;
  const wayOut = 'Take fewer shards, a smaller --batch-size, or more inputs.';
  throw new HadaNormError('calibrate', `there was no batch${shard}. ${wayOut}`);
}

/** Options of a calibration that the flags name: its batches are its own. */
export function calibrationOf(
  model: GraphModel,
  { timestep: named }: Pick<CalibrationFlags, 'timestep'>,
): Pick<CalibrateOptions, 'timestep' | 'disposeBatches'> {
  const timed = model.inputs.some(({ name }) => name === 'timestep') ? 'timestep' : undefined;
  const timestep = named ?? timed;
  return { disposeBatches: true, ...(timestep === undefined ? {} : { timestep }) };
}

async function merge(context: Context, files: readonly string[], flags: Flags): Promise<void> {
  await checkFree(flags.out, flags.force, 'file');
  let all: CalibrationStats | null = null;
  for (const file of files) {
    const stats = await readStats(file);
    all = all === null ? stats : all.merge(stats);
  }
  await writeStats(context, all!, flags);
}

/** @throws HadaNormError for a file that is not there, or holds no statistics. */
export async function readStats(file: string): Promise<CalibrationStats> {
  try {
    return CalibrationStats.deserialize(new Uint8Array(await readFile(file)));
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : `${cause}`;
    throw Object.assign(new HadaNormError('statistics', `${file}: ${words}`), { cause });
  }
}

async function writeStats(
  context: Context,
  stats: CalibrationStats,
  { out, json }: Pick<Flags, 'out' | 'json'>,
): Promise<void> {
  const bytes = stats.serialize();
  await writeFileWhole(out, bytes, context.signal);
  const { batches, sites } = stats;
  const result = { out, batches, sites: sites.size, bytes: bytes.length };
  printResult(context, json, result, () => `${out}: ${batches} batches, ${sites.size} tensors`);
}
