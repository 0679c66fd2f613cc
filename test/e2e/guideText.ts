import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { ROOT } from '../../scripts/process.js';
import { npyBytes } from '../../src/bin/shared/npy.js';
import { parseSafetensors } from '../../src/load/safetensors.js';

const FOLDER = join(ROOT, 'test', 'fixtures', 'textEncoder');

/** What an export of a text encoder has. */
export const ENCODER_FILES = ['model.onnx', 'tokenizer.json', 'tokenizer_config.json'];

/** A file of the tiny text encoder. */
export function encoderFile(name: string): Uint8Array {
  return readFileSync(join(FOLDER, name));
}

/** The captions that transformers has encoded; the last is empty. */
export const CAPTIONS: readonly string[] = JSON.parse(
  readFileSync(join(FOLDER, 'captions.json'), 'utf8'),
);

/** What it gave for some of them, as numpy.savez has them for a model of so many tokens. */
export function captionsNpz(places: readonly number[], tokens: number): Uint8Array {
  const all = parseSafetensors(encoderFile('captions.safetensors'));
  const rows = places.map((i) => all.get(`text${i}`)!);
  const d = rows[0]!.shape[1]!;
  const text = new Float32Array(rows.length * tokens * d);
  const mask = new Float32Array(rows.length * tokens);
  rows.forEach(({ values, shape: [count] }, row) => {
    text.set(values, row * tokens * d);
    mask.fill(1, row * tokens, row * tokens + count!);
  });
  return zipSync({
    'text.npy': npyBytes(text, [rows.length, tokens, d]),
    'textMask.npy': npyBytes(mask, [rows.length, tokens]),
  });
}
