import type { GraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import type { Command } from 'commander';
import { fetchValues } from '../../../ops/common/alive.js';
import { HadaNormError } from '../../../ops/numerics/errors.js';
import { useBackend } from '../shared/backends.js';
import { batchesOf } from '../shared/batches.js';
import { type SizeFlags, withSizes } from '../shared/checkpoints.js';
import { type Context, printResult } from '../shared/context.js';
import { type Common, type InputFlags, withBackend, withInputs } from '../shared/flags.js';
import { withModels } from '../shared/models.js';
import { readInteger } from '../shared/values.js';

interface Flags extends Common, InputFlags, SizeFlags {
  readonly runs: number;
}

export function benchCommand(program: Command, context: Context): void {
  const command = program
    .command('bench <original> <quantized>')
    .description('times a run of both models on this machine, in turns')
    .option('--runs <n>', 'of each, after one that warms up', readInteger(1), 7);
  withBackend(withSizes(withInputs(command, 1, 2)))
    .addHelpText('after', '\nExample:\n  tfjs-hadanorm bench model/ small/ --trajectories 8')
    .action((original: string, quantized: string, flags: Flags) =>
      run(context, original, quantized, flags),
    );
}

async function run(
  context: Context,
  original: string,
  quantized: string,
  flags: Flags,
): Promise<void> {
  await useBackend(flags.backend);
  await withModels(
    original,
    quantized,
    context,
    async (model, small) => {
      const batch = await firstBatch(context, model, flags);
      try {
        report(context, flags, await timed(context, [model, small], batch, flags.runs));
      } finally {
        tf.dispose(batch);
      }
    },
    flags,
  );
}

async function firstBatch(context: Context, model: GraphModel, flags: Flags) {
  for await (const batch of await batchesOf(model, flags, context.signal)) return batch;
  throw new HadaNormError('bench', 'there is no batch to run on. Give --inputs.');
}

/** Milliseconds of each run of each model, in turns: what slows the machine slows both. */
async function timed(
  { signal, onProgress }: Context,
  models: readonly GraphModel[],
  batch: tf.NamedTensorMap,
  runs: number,
): Promise<number[][]> {
  const times: number[][] = models.map(() => []);
  for (let i = 0; i <= runs; i++) {
    for (const [at, model] of models.entries()) {
      signal.throwIfAborted();
      const start = performance.now();
      const results = [model.execute(batch)].flat() as tf.Tensor[];
      await Promise.all(results.map((tensor) => fetchValues('bench', tensor)));
      const time = performance.now() - start;
      tf.dispose(results);
      if (i > 0) times[at]!.push(time);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    onProgress({ stage: 'evaluate', done: i, total: runs, name: '' });
  }
  return times;
}

function report(context: Context, { backend, json }: Flags, times: readonly number[][]): void {
  const [originalMs, quantizedMs] = times.map(median) as [number, number];
  const speedup = originalMs / quantizedMs;
  const result = { backend, runs: times[0]!.length, originalMs, quantizedMs, speedup };
  printResult(context, json, result, () => {
    const [before, after] = [originalMs, quantizedMs].map((ms) => `${ms.toFixed(1)} ms`);
    const verdict =
      speedup >= 1
        ? `The quantized model is ${speedup.toFixed(2)} times as fast`
        : `The quantized model is SLOWER: it takes ${(1 / speedup).toFixed(2)} times as long`;
    return `${verdict} (${before} → ${after}, median of ${result.runs} runs on ${backend}).`;
  });
}

function median(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
