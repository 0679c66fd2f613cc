import type { GraphModel } from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import type { Command } from 'commander';
import { fetchValues } from '../../../ops/common/alive.js';
import { HadaNormError } from '../../../ops/numerics/errors.js';
import { selfCheck } from '../../evaluate/selfCheck.js';
import { inColumns } from '../../recognize/columns.js';
import { useBackend } from '../shared/backends.js';
import { batchesOf } from '../shared/batches.js';
import { type SizeFlags, withSizes } from '../shared/checkpoints.js';
import { type Context, printResult } from '../shared/context.js';
import { type InputFlags, withInputs, withJson } from '../shared/flags.js';
import { Likeness, type LikenessFigures } from '../shared/likeness.js';
import { withModels } from '../shared/models.js';
import { readNumber } from '../shared/values.js';

interface Flags extends InputFlags, SizeFlags {
  readonly backend: readonly string[];
  readonly json?: boolean;
  readonly minSqnr?: number;
  readonly selfCheck: boolean;
}

/** How a quantized model does on a backend. */
interface Verified extends LikenessFigures {
  readonly backend: string;
  readonly batches: number;
}

export function verifyCommand(program: Command, context: Context): void {
  const command = program
    .command('verify <original> <quantized>')
    .description('compares the outputs of a quantized model with the original, on each backend')
    .option('--backend <name...>', 'one or more', ['wasm'])
    .option('--min-sqnr <dB>', 'fail below it', readNumber)
    .option('--no-self-check', 'do not check the kernels against their definition');
  withJson(withSizes(withInputs(command, 2, 5)))
    .addHelpText(
      'after',
      `
Examples:
  tfjs-hadanorm verify model/ small/
  tfjs-hadanorm verify model/ small/ --backend wasm cpu --min-sqnr 25 --json`,
    )
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
  const all: Verified[] = [];
  for (const backend of flags.backend) {
    await useBackend(backend);
    await withModels(
      original,
      quantized,
      context,
      async (model, small) => {
        const { signal, onProgress } = context;
        if (flags.selfCheck) await selfCheck(small, { signal, onProgress });
        all.push({ backend, ...(await compared(context, model, small, flags)) });
      },
      flags,
    );
  }
  printResult(context, flags.json, { original, quantized, backends: all }, () => textOf(all));
  const worst = Math.min(...all.map(({ sqnr }) => sqnr));
  if (flags.minSqnr === undefined || worst >= flags.minSqnr) return;
  const problem = `the outputs have ${worst.toFixed(1)} dB, ${flags.minSqnr} were wanted.`;
  throw new HadaNormError('verify', `${problem} quantize --min-sqnr or a preset with more bits.`);
}

async function compared(
  context: Context,
  model: GraphModel,
  small: GraphModel,
  flags: Flags,
): Promise<Omit<Verified, 'backend'>> {
  const likeness = new Likeness();
  let batches = 0;
  for await (const batch of await batchesOf(model, flags, context.signal)) {
    context.signal.throwIfAborted();
    try {
      const [exact, other] = [await outputs(model, batch), await outputs(small, batch)];
      exact.forEach((values, i) => {
        likeness.add(values, other[i]!);
      });
    } finally {
      tf.dispose(batch);
    }
    context.onProgress({ stage: 'evaluate', done: ++batches, total: null, name: '' });
  }
  return { batches, ...likeness.figures() };
}

/** The values of all outputs, in the model's order. */
async function outputs(model: GraphModel, batch: tf.NamedTensorMap): Promise<tf.TypedArray[]> {
  const names = model.outputs.map(({ name }) => name);
  const tensors = [model.execute(batch, names)].flat() as tf.Tensor[];
  try {
    return await Promise.all(tensors.map((tensor) => fetchValues('verify', tensor)));
  } finally {
    tf.dispose(tensors);
  }
}

function textOf(all: readonly Verified[]): string {
  return inColumns(
    ['backend', 'batches', 'SQNR dB', 'cosine', 'largest error'],
    all.map(({ backend, batches, sqnr, cosine, maxError }) => [
      backend,
      `${batches}`,
      sqnr.toFixed(1),
      cosine.toFixed(6),
      maxError.toPrecision(3),
    ]),
  );
}
