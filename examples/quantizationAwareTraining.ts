/**
 * Quantization-aware training with the three ops, in tf.layers and in eager code: a reader of
 * digits whose layers center, rotate and quantize as HadaNorm does is trained in float32, quantized
 * to 3 and to 2 bits, and trained on through `fakeQuant`, whose gradient is straight-through.
 *
 * Run: npx tsx examples/quantizationAwareTraining.ts [--backend wasm|cpu|tensorflow]
 *
 * On WASM it takes seconds, on the CPU backend a minute. In a browser the same functions run on
 * WebGL.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { Table } from 'console-table-printer';
import { flag, readFlags } from '../src/cli/flags.js';
import { text } from '../src/cli/readers.js';
import { drawDigits } from './quantizationAwareTraining/digits.js';
import { EagerReader, gradientsThrough } from './quantizationAwareTraining/eager.js';
import { type Bits, FLOAT } from './quantizationAwareTraining/hadaNormDense.js';
import {
  digitReader,
  type Figures,
  figuresOf,
  reloaded,
  requantized,
  train,
} from './quantizationAwareTraining/train.js';

const SEED = 3;
const FORMATS: readonly (Bits & { name: string })[] = [
  { name: 'W3A3', weights: 3, activations: 3 },
  { name: 'W2A2', weights: 2, activations: 2 },
];
const FIRST = { epochs: 5, learningRate: 0.005 };
/** After it, with quantizers or without: all are trained for as long. */
const THEN = { epochs: 3, learningRate: 0.002 };
const EAGER_STEPS = 40;

const FLAGS = { backend: flag(text('NAME'), 'wasm') };
await start(readFlags('quantizationAwareTraining', FLAGS, process.argv.slice(2)).values.backend);
const digits = drawDigits(1000, 1);
const unseen = drawDigits(500, 2);
const table = new Table({
  shouldDisableColors: true,
  columns: [
    { name: 'model', alignment: 'left' },
    { name: 'accuracy', alignment: 'right' },
    { name: 'loss', alignment: 'right' },
  ],
});
const addRow = (model: string, { accuracy, loss }: Figures) =>
  table.addRow({ model, accuracy: percent(accuracy), loss: loss.toFixed(3) });

const young = digitReader(FLOAT, SEED);
await train(young, digits, FIRST);
const float = requantized(young, FLOAT, SEED);
await train(float, digits, THEN);
addRow('float32', figuresOf(float, unseen));
for (const { name, ...bits } of FORMATS) {
  const afterwards = requantized(float, bits, SEED);
  addRow(`${name}, quantized after training`, figuresOf(afterwards, unseen));
  const aware = requantized(young, bits, SEED);
  const losses = await train(aware, digits, THEN);
  addRow(`${name}, quantization-aware`, figuresOf(aware, unseen));
  console.log(`${name}: loss of the epochs ${losses.map((loss) => loss.toFixed(3)).join(', ')}`);
}
console.log(`\nDigits that no model has seen, on ${tf.getBackend()}:`);
table.printTable();

// the same in eager code
const { name, ...bits } = FORMATS.at(-1)!;
const eager = new EagerReader(float.getWeights(), bits);
const before = eager.accuracy(unseen);
const [norm] = eager.gradientNorms(digits);
const losses = eager.train(digits, EAGER_STEPS, THEN.learningRate);
const figures = `${percent(before)} → ${percent(eager.accuracy(unseen))}`;
const fall = `${losses[0]!.toFixed(3)} → ${losses.at(-1)!.toFixed(3)}`;
console.log(`\nEager code, ${name}, ${EAGER_STEPS} steps: accuracy ${figures}, loss ${fall}`);
console.log(`Gradient by the first layer's weights, through all quantizers: ${norm!.toFixed(4)}`);
const { ours, rounded } = gradientsThrough(float.getWeights()[0]!, 2);
console.log(`Through fakeQuant alone ${ours.toFixed(4)}, through tf.round ${rounded.toFixed(4)}`);

// the layer's configuration is saved with the model
const again = await reloaded(float);
const difference = Math.abs(figuresOf(again, unseen).loss - figuresOf(float, unseen).loss);
console.log(`Saved and loaded: the loss differs by ${difference}`);

async function start(backend: string): Promise<void> {
  if (backend === 'tensorflow') {
    await import('../scripts/provision/nodeUtilShim.js');
    await import('@tensorflow/tfjs-node');
  }
  if (tf.findBackendFactory(backend) === undefined || !(await tf.setBackend(backend))) {
    console.error(`There is no backend '${backend}' here: --backend wasm, cpu or tensorflow.`);
    process.exit(2);
  }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
