import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { InvalidArgumentError, loadQuantized, parseReport } from '../../../src/index.js';
import { CheckpointError } from '../../../src/load.js';
import { fileSystem } from '../../../src/node.js';
import '../../harness/backends/backends.js';
import { publishedCase, publishedFolder } from '../../harness/models/published.js';
import { bytesOf, safetensorsOf } from '../../harness/models/safetensorsBytes.js';
import { runCommand } from '../../harness/run/commandLine.js';
import { rejection } from '../../harness/run/rejection.js';

const CPU = ['--backend', 'cpu'];
const FLUX = '--height 6 --width 8 --text-tokens 5'.split(' ');

describe('The command line, of published checkpoints', () => {
  let folder: string;
  let at: (name: string) => string;

  before(async () => {
    await tf.setBackend('cpu');
    folder = mkdtempSync(join(tmpdir(), 'hadanorm-cli-'));
    at = (name) => join(folder, name);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('quantize packs one while it loads, in one line', async () => {
    for (const [name, ...sizes] of [['dit'], ['flux', ...FLUX]] as const) {
      const args = ['quantize', publishedFolder(name), ...sizes, ...CPU, '-o', at(name)];
      const { stdout } = await runCommand(args);
      expect(stdout).to.match(/mlp\.in[\s\S]*: nothing measured\n$/);
      const report = parseReport(readFileSync(join(at(name), 'report.json'), 'utf8'));
      expect(report.totals.linearBytes.after).to.be.below(report.totals.linearBytes.before / 3);
      const model = await loadQuantized(fileSystem(at(name)));
      const { inputs, expected } = publishedCase(name);
      const output = model.predict(inputs) as tf.Tensor;
      const off = tf.norm(tf.sub(output, tf.tensor(expected, output.shape)));
      expect(off.dataSync()[0]! / Math.hypot(...expected)).to.be.below(0.2);
      model.dispose();
    }
  });

  it('inspect lists the linears, by their published names', async () => {
    const { stdout } = await runCommand(['inspect', publishedFolder('dit'), ...CPU]);
    expect(stdout).to.match(/transformer_blocks\/1\/attn1\/to_out\/0\/MatMul +attention\.out/);
  });

  /** The fixture's inputs as a file. */
  function inputs(): string {
    const arrays = Object.entries(publishedCase('dit').inputs).map(([name, tensor]) => {
      const bytes = bytesOf(tensor.dataSync(), 4, 'setFloat32');
      return [name, { dtype: 'F32', shape: tensor.shape, bytes }];
    });
    writeFileSync(at('inputs.safetensors'), safetensorsOf(Object.fromEntries(arrays)));
    return at('inputs.safetensors');
  }

  it('quantize with inputs is calibrate on the whole, part by part', async () => {
    const given = ['-i', inputs(), '--batch-size', '1', ...CPU];
    const dit = publishedFolder('dit');
    await runCommand(['calibrate', dit, ...given, '-o', at('dit.stats')]);
    await runCommand(['quantize', dit, '--stats', at('dit.stats'), ...CPU, '-o', at('byStats')]);
    const { stdout } = await runCommand(['quantize', dit, ...given, '-o', at('byParts')]);
    expect(stdout).to.match(/: least output SQNR [\d.]+ dB\n$/);
    const [byStats, byParts] = ['byStats', 'byParts'].map((name) => readdirSync(at(name)));
    expect(byParts).to.deep.equal(byStats);
    const shard = byParts!.find((name) => name.endsWith('.bin'))!;
    expect(readFileSync(join(at('byParts'), shard))).to.deep.equal(
      readFileSync(join(at('byStats'), shard)),
    );
  });

  it('quantize with inputs measures, and reaches a target', async () => {
    inputs();
    const args = ['quantize', publishedFolder('dit'), '-i', at('inputs.safetensors'), ...CPU];
    const target = ['--min-sqnr', '25', '--json', '-o', at('measured')];
    const { stdout } = await runCommand([...args, ...target]);
    expect(JSON.parse(stdout).sqnr.min).to.be.at.least(25);
  });

  it('says what it cannot do', async () => {
    const out = ['-o', at('none'), ...CPU];
    const blind = await rejection(
      runCommand(['quantize', publishedFolder('dit'), '--min-sqnr', '25', ...out]),
    );
    expect(blind).to.be.instanceOf(InvalidArgumentError);
    expect(blind.message).to.include('target must be with --inputs');
    writeFileSync(at('model.pt'), 'PK');
    const pickled = await rejection(runCommand(['quantize', at('model.pt'), ...out]));
    expect(pickled).to.be.instanceOf(CheckpointError);
    expect(pickled.message).to.include('Convert it: python -c');
  });
});
