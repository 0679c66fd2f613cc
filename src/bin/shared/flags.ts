import { type Command, Option } from 'commander';
import { BACKENDS } from './backends.js';
import type { Inputs } from './batches.js';
import { withScheduler } from './scheduler.js';
import { readInteger, readShard } from './values.js';

/** Their labels are a list in memory. */
const MAX_TRAJECTORIES = 2 ** 20;

/** Flags that all commands with a model share. */
export interface Common {
  readonly json?: boolean;
  readonly backend: string;
}

/** What overwrites. */
export interface Out {
  readonly out: string;
  readonly force?: boolean;
}

export function withBackend(command: Command): Command {
  const backend = new Option('--backend <name>', 'what computes').choices(BACKENDS).default('wasm');
  return withJson(command.addOption(backend));
}

export function withJson(command: Command): Command {
  return command.option('--json', 'results as JSON');
}

export function withOut(command: Command, what: string): Command {
  return command
    .requiredOption('-o, --out <path>', what)
    .option('--force', 'overwrite what is there');
}

/** Where inputs of the model come from. */
export type InputFlags = Omit<Inputs, 'shard'>;

export function withInputs(command: Command, trajectories: number, steps: number): Command {
  return withScheduler(command)
    .option(
      '-i, --inputs <file...>',
      '.npz or .safetensors with the inputs by name, .npy files called as the inputs, or a .js ' +
        'module whose default export is an (async) iterable of batches',
    )
    .option(
      '--trajectories <n>',
      'without --inputs: own samples',
      readInteger(1, MAX_TRAJECTORIES),
      trajectories,
    )
    .option('--steps <n>', 'steps of these samples', readInteger(1), steps)
    .option('--batch-size <n>', 'samples of a batch', readInteger(1), 8)
    .option('--seed <n>', 'of noise and signs', readInteger(0), 0);
}

export function withShard(command: Command): Command {
  return command.option('--shard <i/n>', 'the i-th of n parts, from 1', readShard);
}
