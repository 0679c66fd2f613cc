/**
 * Writes a trained DiT as a tfjs graph model: model.json and weight shards, as `tf.loadGraphModel`
 * reads them.
 *
 * Run: npx tsx models/research/training/convert.ts <safetensors…> --heads 4 --out models/avatars
 */
import { readFileSync } from 'node:fs';
import { flag, readFlags } from '../../../src/cli/flags.js';
import { integer, text } from '../../../src/cli/readers.js';
import { HadaNormError } from '../../../src/index.js';
import { mergeShards, parseSafetensors } from '../../../src/load/safetensors.js';
import { buildDit, ditConfigOf } from '../../builder/dit.js';
import { saveGraphModel } from '../../saveGraphModel.js';

const FLAGS = { heads: flag(integer(1)), out: flag(text('FOLDER')) };
const { values, others: files } = readFlags('convert', FLAGS, process.argv.slice(2), {
  others: 'FILE …',
});
const { heads, out } = values;
if (files.length === 0 || out === null || heads === null) {
  throw new HadaNormError('convert', 'wants safetensors files, --heads and --out.');
}

const weights = mergeShards(files.map((file) => parseSafetensors(readFileSync(file))));
const config = ditConfigOf(weights, heads);
await saveGraphModel(buildDit(config, weights), out);
console.log(`${out}: ${JSON.stringify(config)}`);
