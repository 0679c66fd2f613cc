import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import { type Command, Option } from 'commander';
import type { Json } from '../../../ops/common/configs.js';
import { HadaNormError, InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { noiseSchedule } from '../../diffusion/schedules/noiseSchedule.js';
import type { Schedule } from '../../diffusion/schedules/schedule.js';
import { bytesOf } from './arrayFiles.js';
import type { ConditionFlags } from './conditions.js';
import { readInteger, readIntegers, readNumber } from './values.js';

/** How a published checkpoint's samples are drawn, and what of. */
export interface ScheduleFlags extends ConditionFlags {
  /** A hub's scheduler_config.json, or its folder. */
  readonly scheduler?: string;
  readonly eta?: number;
  readonly mu?: number;
}

const FLAG = '--scheduler';

export function withScheduler(command: Command): Command {
  const scheduler = new Option(
    `${FLAG} <file>`,
    "of a checkpoint: the hub's scheduler_config.json, or its folder",
  );
  return command
    .addOption(scheduler.conflicts('inputs'))
    .addOption(
      new Option('--labels <list>', 'the class of each sample, such as 0,1,2')
        .argParser(readIntegers)
        .conflicts('inputs'),
    )
    .option(
      '--conditions <file...>',
      'with --scheduler: .npz, .safetensors or .npy with what a checkpoint takes besides latent ' +
        'and timestep',
    )
    .option('--none <file...>', 'the same of none, for --cfg; one sample is enough')
    .option('--none-label <n>', 'the label of none, where the model does not say', readInteger(0))
    .addOption(
      new Option('--cfg <x>', 'guidance; 1 is none')
        .argParser(readNumber)
        .default(1)
        .conflicts('inputs'),
    )
    .option('--eta <x>', 'of DDIM: noise on the way, 0 to 1', readNumber)
    .option('--mu <x>', 'of a flow with use_dynamic_shifting: its shift', readNumber);
}

/**
 * @param what Where nothing else samples, labels and guidance mean nothing either.
 * @throws InvalidArgumentError for flags that mean something beside `--scheduler` only.
 */
export function checkUnscheduled(flags: ScheduleFlags, what?: 'checkpoint'): void {
  const { conditions, none, noneLabel, eta, mu, labels, cfg } = flags;
  const sampling = what === 'checkpoint' ? { labels, cfg: cfg === 1 ? undefined : cfg } : {};
  const alone = { conditions, none, 'none-label': noneLabel, eta, mu, ...sampling };
  for (const [name, value] of Object.entries(alone)) {
    if (value === undefined) continue;
    throw new InvalidArgumentError(`--${name}`, 'FLAGS', `beside ${FLAG}`, 'none');
  }
}

/** Before long work: whether the schedule of the flags, if any, can be read. */
export async function checkSchedule(flags: Parameters<typeof readSchedule>[0]): Promise<void> {
  if (flags.scheduler !== undefined) await readSchedule(flags);
}

/**
 * The schedule of a file.
 * @throws HadaNormError where it cannot be read; InvalidArgumentError for what it says.
 */
export async function readSchedule(
  flags: Pick<ScheduleFlags, 'scheduler' | 'eta' | 'mu'> & { readonly steps: number },
): Promise<Schedule> {
  const { steps, eta, mu } = flags;
  const given = flags.scheduler!;
  const isFolder = (await stat(given).catch(() => null))?.isDirectory() ?? false;
  const file = isFolder ? join(given, 'scheduler_config.json') : given;
  const text = `${await bytesOf(FLAG, file)}`;
  let config: Json;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : `${cause}`;
    throw Object.assign(new HadaNormError(FLAG, `${file} is no JSON: ${words}`), { cause });
  }
  return noiseSchedule(config, {
    steps,
    ...(eta === undefined ? {} : { eta }),
    ...(mu === undefined ? {} : { mu }),
  });
}

/** Whether a model is one of `loadCheckpoint`, which is drawn from by a schedule only. */
export function isOfCheckpoint({ metadata = {} }: Pick<GraphModel, 'metadata'>): boolean {
  return typeof metadata === 'object' && metadata !== null && 'checkpoint' in metadata;
}
