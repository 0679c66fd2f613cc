import { type Command, Option } from 'commander';
import { fetchValues } from '../../../ops/common/alive.js';
import { SOLVERS, type Solver } from '../../diffusion/options.js';
import { sample } from '../../diffusion/sampler.js';
import { useBackend } from '../shared/backends.js';
import { type Context, printResult } from '../shared/context.js';
import { type Common, type Out, withBackend, withOut } from '../shared/flags.js';
import { openModel } from '../shared/models.js';
import { npyBytes } from '../shared/npy.js';
import { checkFree, writeFileWhole } from '../shared/outputs.js';
import { readInteger, readIntegers, readNumber } from '../shared/values.js';

interface Flags extends Common, Out {
  readonly labels: readonly number[];
  readonly steps: number;
  readonly solver: Solver;
  readonly cfg: number;
  readonly seed: number;
}

export function sampleCommand(program: Command, context: Context): void {
  const command = program
    .command('sample <model>')
    .description('draws samples with a model, quantized or not, and writes them as .npy')
    .requiredOption('--labels <list>', 'the class of each sample, such as 0,1,2', readIntegers)
    .option('--steps <n>', 'from noise to data', readInteger(1), 20)
    .addOption(
      new Option('--solver <name>', 'how a step is taken').choices(SOLVERS).default('euler'),
    )
    .option('--cfg <x>', 'guidance; 1 is none', readNumber, 1)
    .option('--seed <n>', 'of the noise', readInteger(0), 0);
  withBackend(withOut(command, 'file, float32 [samples, height, width, channels]'))
    .addHelpText('after', '\nExample:\n  tfjs-hadanorm sample small/ --labels 0,5,10 -o faces.npy')
    .action((model: string, flags: Flags) => run(context, model, flags));
}

async function run(context: Context, source: string, flags: Flags): Promise<void> {
  const { out, labels, steps, solver, cfg, seed } = flags;
  await checkFree(out, flags.force, 'file');
  await useBackend(flags.backend);
  const model = await openModel(source, context);
  try {
    const { signal, onProgress } = context;
    const samples = await sample(model, { labels, steps, solver, cfg, seed, signal, onProgress });
    const { shape } = samples;
    const values = await fetchValues<'float32'>('sample', samples);
    samples.dispose();
    await writeFileWhole(out, npyBytes(values, shape), signal);
    printResult(context, flags.json, { out, shape }, () => `${out}: float32 [${shape}]`);
  } finally {
    model.dispose();
  }
}
