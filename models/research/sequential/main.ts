/**
 * npm run sequential -- [--model avatars-nano] [--preset W4A8] [--low-rank 0] [--samples 64]
 *   [--seed 7]
 *
 * What sequential calibration is worth on a trained model: velocity and pictures of both ways to
 * calibrate, from the same noise, with a paired interval. Ctrl-C stops.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { flag, readFlags } from '../../../src/cli/flags.js';
import { interruptible } from '../../../src/cli/interruptible.js';
import { integer, oneOf, type Reader } from '../../../src/cli/readers.js';
import { parseInteger } from '../../../src/cli/values.js';
import { HadaNormError, PRESETS, type PresetName } from '../../../src/index.js';
import { mean } from '../../../src/math/decibels.js';
import { loadTrained, TRAINED } from '../../load.js';
import { type Calibrated, compareSequential } from './compare.js';

const STEPS = 8;

const RANK: Reader<number | 'auto'> = {
  ...{ shown: 'N|auto', wanted: 'an integer ≥ 0, or auto' },
  read: (given, wrong) => (given === 'auto' ? given : (parseInteger(given, 0) ?? wrong(given))),
};

const FLAGS = {
  model: flag(oneOf(TRAINED), 'avatars-nano'),
  preset: flag(oneOf(Object.keys(PRESETS) as PresetName[]), 'W4A8'),
  'low-rank': flag(RANK, '0'),
  samples: flag(integer(16), '64'),
  seed: flag(integer(0), '7'),
};

try {
  const { values } = readFlags('sequential', FLAGS, process.argv.slice(2));
  await tf.setBackend('wasm');
  const model = await loadTrained(values.model);
  const compare = async (signal: AbortSignal) => {
    const plan = { ...values, lowRank: values['low-rank'], steps: STEPS };
    const made = await compareSequential(model, plan, { signal, onRun: () => {} });
    const { plain, sequential, difference } = made;
    const { model: name, preset, samples } = values;
    const branch = `lowRank ${values['low-rank']}`;
    console.log(`${name}, ${preset}, ${branch}, ${samples} pictures, ${STEPS} steps`);
    show('calibrated on the original', plain);
    show('calibrated sequentially', sequential);
    const [value, low, high] = [difference.value, difference.low, difference.high].map(decibels);
    console.log(`pictures nearer to the original's by ${value} dB [${low}, ${high}]`);
  };
  await interruptible(compare, 'Stopped.').finally(() => model.dispose());
} catch (error) {
  if (!(error instanceof HadaNormError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

function show(what: string, { velocity, pictures }: Calibrated): void {
  const psnr = decibels(mean(pictures));
  console.log(`${what}: velocity ${decibels(velocity)} dB, mean PSNR of pictures ${psnr} dB`);
}

function decibels(value: number): string {
  return value.toFixed(2);
}
