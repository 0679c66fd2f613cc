/**
 * Writes a trained DiT as a tfjs graph model: model.json and weight shards, as `tf.loadGraphModel`
 * reads them.
 *
 * Run: npx tsx models/research/training/convert.ts <safetensors…> --heads 4 --out models/avatars
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { HadaNormError } from '../../../src/index.js';
import { mergeShards, parseSafetensors } from '../../../src/load/safetensors.js';
import { buildDit, ditConfigOf } from '../../builder/dit.js';
import { saveGraphModel } from '../../saveGraphModel.js';

const { values: options, positionals: files } = parseArgs({
  options: { heads: { type: 'string' }, out: { type: 'string' } },
  allowPositionals: true,
});
if (files.length === 0 || options.out === undefined || options.heads === undefined) {
  throw new HadaNormError('convert', 'wants safetensors files, --heads and --out.');
}

const weights = mergeShards(files.map((file) => parseSafetensors(readFileSync(file))));
const config = ditConfigOf(weights, Number(options.heads));
await saveGraphModel(buildDit(config, weights), options.out);
console.log(`${options.out}: ${JSON.stringify(config)}`);
