import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit, type DitConfig } from '../../../../models/builder/dit.js';
import { seededDitWeights } from '../../../../models/seeded.js';
import { ROOT } from '../../../../scripts/process.js';
import { bytesOf, safetensorsOf } from '../../../harness/models/safetensorsBytes.js';
import { CHILD_ENV, runNode } from '../../../harness/run/child.js';

describe('Conversion of trained models', () => {
  const CONFIG: DitConfig = {
    inputSize: 4,
    patchSize: 2,
    channels: 1,
    hiddenSize: 8,
    depth: 2,
    numHeads: 2,
    mlpRatio: 2,
    numClasses: 3,
  };
  const script = join(ROOT, 'models', 'research', 'training', 'convert.ts');
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'convert-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('writes the model that the builder builds of the same weights', () => {
    const weights = seededDitWeights(CONFIG, 3);
    const tensors = [...weights].map(([name, { shape, values }]) => [
      name,
      { dtype: 'F32', shape, bytes: bytesOf(values, 4, 'setFloat32') },
    ]);
    const files = [0, 1].map((shard) => {
      const file = join(folder, `${shard}.safetensors`);
      const part = tensors.filter((_, i) => i % 2 === shard);
      writeFileSync(file, safetensorsOf(Object.fromEntries(part)));
      return file;
    });
    const out = join(folder, 'out');
    runNode(['--import', 'tsx', script, ...files, '--heads', '2', '--out', out]);
    const { weightsManifest, ...json } = JSON.parse(
      readFileSync(join(out, 'model.json'), 'utf8'),
    ) as tf.io.ModelJSON;
    const { weightSpecs, weightData, ...built } = buildDit(CONFIG, weights);
    expect(json).to.deep.equal(JSON.parse(JSON.stringify(built)));
    const [group] = weightsManifest;
    const bytes = Uint8Array.from(readFileSync(join(out, group!.paths[0]!)));
    const written = tf.io.decodeWeights(bytes.buffer, group!.weights);
    const expected = tf.io.decodeWeights(weightData!, weightSpecs!);
    for (const [name, tensor] of Object.entries(expected)) {
      expect(written[name]!.dataSync(), name).to.deep.equal(tensor.dataSync());
    }
    tf.dispose([written, expected]);
  });

  it('without its arguments says what it wants', () => {
    const options = { cwd: ROOT, encoding: 'utf8', env: CHILD_ENV } as const;
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', script], options);
    expect(status).to.equal(1);
    expect(stderr).to.include('convert: wants safetensors files, --heads and --out.');
  });
});
