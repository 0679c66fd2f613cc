import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { npyBytes, parseNpy } from '../../../src/bin/shared/npy.js';
import { CalibrationStats, HadaNormError } from '../../../src/index.js';
import { type DenoiseOptions, denoise, loadCheckpoint, noiseSchedule } from '../../../src/load.js';
import { checkpointFiles } from '../../../src/node.js';
import '../../harness/backends/backends.js';
import { publishedCase, publishedFolder } from '../../harness/models/published.js';
import { PUBLISHED } from '../../harness/models/publishedCases.js';
import { bytesOf, safetensorsOf } from '../../harness/models/safetensorsBytes.js';
import { runCommand } from '../../harness/run/commandLine.js';
import { rejection } from '../../harness/run/rejection.js';

const CPU = ['--backend', 'cpu'];
const DDIM = { _class_name: 'DDIMScheduler', beta_schedule: 'linear', clip_sample: false };
const DPM = { _class_name: 'DPMSolverMultistepScheduler', beta_schedule: 'linear' };
const FLOW = { _class_name: 'FlowMatchEulerDiscreteScheduler', use_dynamic_shifting: true };

describe('The command line, drawing from published checkpoints', () => {
  let folder: string;
  let at: (name: string) => string;

  before(async () => {
    await tf.setBackend('cpu');
    folder = mkdtempSync(join(tmpdir(), 'hadanorm-cli-'));
    at = (name) => join(folder, name);
    for (const [name, config] of Object.entries({ ddim: DDIM, dpm: DPM, flow: FLOW })) {
      mkdirSync(at(name));
      writeFileSync(join(at(name), 'scheduler_config.json'), JSON.stringify(config));
    }
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...args: string[]) => runCommand([...args, ...CPU]);

  /** Writes tensors, disposed of here, as a file of conditions. */
  function written(name: string, tensors: tf.NamedTensorMap): string {
    const arrays = Object.entries(tensors).map(([input, tensor]) => {
      const bytes = bytesOf(tensor.dataSync(), 4, 'setFloat32');
      return [input, { dtype: 'F32', shape: tensor.shape, bytes }];
    });
    tf.dispose(tensors);
    writeFileSync(at(name), safetensorsOf(Object.fromEntries(arrays)));
    return at(name);
  }

  /** What `denoise` gives, and what a command has written. */
  async function expectSame(name: string, options: DenoiseOptions, file: string): Promise<void> {
    const folder = checkpointFiles(publishedFolder(name));
    const model = await loadCheckpoint(folder, PUBLISHED[name]);
    const wanted = await denoise(model, options);
    const { shape, values } = parseNpy(new Uint8Array(readFileSync(file)), file);
    expect(shape).to.deep.equal(wanted.shape);
    expect([...values]).to.deep.equal([...wanted.dataSync()]);
    tf.dispose([wanted, options.inputs, options.guidance?.inputs ?? {}]);
    model.dispose();
  }

  it('sample draws labels, guided by the last label, as denoise does, to the bit', async () => {
    const args = ['--labels', '1,3', '--cfg', '4', '--steps', '3', '--eta', '0.5', '--seed', '7'];
    const out = at('dit.npy');
    await run('sample', publishedFolder('dit'), '--scheduler', at('ddim'), ...args, '-o', out);
    const [label, none] = [
      [1, 3],
      [5, 5],
    ].map((labels) => ({ label: tf.tensor1d(labels, 'int32') }));
    const schedule = noiseSchedule(DDIM, { steps: 3, eta: 0.5 });
    const guidance = { scale: 4, inputs: none! };
    await expectSame('dit', { schedule, inputs: label!, guidance, seed: 7 }, out);
  });

  it('sample takes conditions of files, and one of none for all samples', async () => {
    const inputsOf = () => {
      const { latent, timestep, ...rest } = publishedCase('pixartSigma').inputs;
      tf.dispose([latent, timestep]);
      return rest as { text: tf.Tensor; textMask: tf.Tensor };
    };
    const first = () => {
      const { text, textMask } = inputsOf();
      const one = { text: tf.mul(tf.slice(text, 0, 1), 0.1), textMask: tf.slice(textMask, 0, 1) };
      tf.dispose([text, textMask]);
      return one;
    };
    const file = join(at('dpm'), 'scheduler_config.json');
    await run(
      ...['sample', publishedFolder('pixartSigma'), '--text-tokens', '6', '--scheduler', file],
      ...['--conditions', written('given.safetensors', inputsOf())],
      ...['--none', written('none.safetensors', first())],
      ...['--cfg', '3', '--steps', '2', '-o', at('pixart.npy')],
    );
    const one = first();
    const twice = Object.fromEntries(
      Object.entries(one).map(([name, x]) => [name, tf.concat([x, x])]),
    );
    tf.dispose(one);
    const schedule = noiseSchedule(DPM, { steps: 2 });
    const guidance = { scale: 3, inputs: twice };
    const options = { schedule, inputs: inputsOf(), guidance };
    await expectSame('pixartSigma', options, at('pixart.npy'));
  });

  it('sample draws with a packed Flux, its timesteps scaled, its shift --mu', async () => {
    const sizes = '--height 6 --width 8 --text-tokens 5'.split(' ');
    await run('quantize', publishedFolder('flux'), ...sizes, '-o', at('flux'));
    const { latent, timestep, ...rest } = publishedCase('flux').inputs;
    tf.dispose([latent!, timestep!]);
    const conditions = ['--conditions', written('flux.safetensors', rest)];
    const flow = ['--scheduler', at('flow'), '--steps', '2', '-o', at('flux.npy')];
    await run('sample', at('flux'), ...conditions, ...flow, '--mu', '0.9');
    const { shape, values } = parseNpy(new Uint8Array(readFileSync(at('flux.npy'))), 'flux.npy');
    expect(shape).to.deep.equal([2, 6, 8, 4]);
    const spread = Math.hypot(...values) / Math.sqrt(values.length);
    expect(spread).to.be.within(0.1, 10);
    const error = await rejection(run('sample', at('flux'), ...conditions, ...flow, '--force'));
    expect(error.message).to.match(/mu/);
  });

  it('calibrate follows own samples; shards together are one run', async () => {
    const sampled = ['--scheduler', at('ddim'), '--steps', '4', '--cfg', '2', '--batch-size', '2'];
    const statsOf = async (name: string, ...args: string[]) => {
      const all = [...sampled, '--trajectories', '4', ...args, '-o', at(name)];
      await run('calibrate', publishedFolder('dit'), ...all);
      return CalibrationStats.deserialize(new Uint8Array(readFileSync(at(name))));
    };
    const all = await statsOf('all.stats');
    const parts = [await statsOf('1.stats', '--shard', '1/2')];
    parts.push(await statsOf('2.stats', '--shard', '2/2'));
    // four steps of four samples, two at a time, each with its guide
    expect([all.batches, parts[0]!.batches]).to.deep.equal([8, 4]);
    const merged = parts[0]!.merge(parts[1]!);
    const timesOf = ({ sites }: CalibrationStats) => [...[...sites.values()][0]!.timesteps.keys()];
    expect(timesOf(merged).sort()).to.deep.equal(timesOf(all).sort());
    expect(timesOf(all).length).to.equal(4);
  });

  it('quantize measures on own samples, and reaches a target', async () => {
    const sampled = ['--scheduler', at('ddim'), '--steps', '2', '--trajectories', '2'];
    const args = [...sampled, '--mean-sqnr', '25', '--json', '-o', at('measured')];
    const { stdout } = await run('quantize', publishedFolder('dit'), ...args);
    expect(JSON.parse(stdout).sqnr.mean).to.be.at.least(25);
  });

  it('says in one line what is missing or does not fit', async () => {
    writeFileSync(at('torn.json'), '{');
    writeFileSync(at('other.json'), JSON.stringify({ _class_name: 'PNDMScheduler' }));
    writeFileSync(at('label.npy'), npyBytes(new Float32Array(4), [2, 2]));
    const dit = publishedFolder('dit');
    const ddim = ['--scheduler', at('ddim')];
    const labels = ['--labels', '1'];
    const text = [`text=${at('text.npy')}`, `textMask=${at('mask.npy')}`];
    writeFileSync(at('text.npy'), npyBytes(new Float32Array(6 * 20), [1, 6, 20]));
    writeFileSync(at('mask.npy'), npyBytes(new Float32Array(6), [1, 6]));
    const sizes = ['--text-tokens', '6', ...ddim];
    const sigma = [publishedFolder('pixartSigma'), ...sizes, '--conditions', ...text];
    const faults: [string[], RegExp][] = [
      [[dit, ...labels], /^sample: --scheduler must be the hub's scheduler_config\.json/],
      [[dit, ...ddim], /^--conditions: FILE must be arrays named label, got none\. Labels may be/],
      [[dit, ...ddim, '--conditions', at('no.npz')], /^--conditions: .*no\.npz cannot be read/],
      [[dit, ...ddim, '--conditions', at('a.mjs')], /^--conditions: .*a\.mjs cannot be read/],
      [[dit, ...ddim, ...labels, '--mu', 'x'], /'--mu <x>' argument 'x' is invalid/],
      [[dit, ...ddim, ...labels, '--eta', '2'], /^noiseSchedule: eta must be from 0 to 1, got 2/],
      [[dit, ...ddim, ...labels, '--solver', 'heun'], /'--solver <name>' cannot be used with/],
      [[dit, ...ddim, '--labels', '1,6'], /^--labels: LABEL must be integers in \[0, 5\], .* 6\.$/],
      [[dit, ...ddim, ...labels, '--cfg', '2', '--none-label', '7'], /^--none-label: .* got 7\.$/],
      [
        [dit, ...ddim, '--conditions', at('label.npy')],
        /^denoise: inputs\.label must be int32 of shape \[\?\], got int32 of shape \[2,2\]\.$/,
      ],
      [[dit, '--scheduler', at('none'), ...labels], /^--scheduler: .*none cannot be read/],
      [[dit, '--scheduler', at('torn.json'), ...labels], /^--scheduler: .*torn\.json is no JSON/],
      [[dit, '--scheduler', at('other.json'), ...labels], /_class_name must be .*"PNDMScheduler"/],
      [[dit, ...labels, '--eta', '0.5'], /^--eta: FLAGS must be beside --scheduler/],
      [[publishedFolder('sd3'), '--text-tokens', '5', ...ddim], /named pooled, text, got none\.$/],
      [[dit, ...ddim, ...labels, '--none-label', '-1'], /'--none-label <n>' argument '-1'/],
      [[...sigma, '--cfg', '2'], /^--none: FILE must be arrays of none for --cfg, named text, /],
    ];
    for (const [args, words] of faults) {
      const error = await rejection(run('sample', ...args, '-o', at('never.npy')));
      expect(error.message, args.join(' ')).to.match(words).and.not.include('\n');
    }
    const both = run('calibrate', dit, ...ddim, '-i', at('x.npz'), '-o', at('never.stats'));
    expect((await rejection(both)).message).to.match(/'--scheduler <file>' cannot be used with/);
    const blind = await rejection(run('quantize', dit, '--min-sqnr', '9', '-o', at('never')));
    expect(blind).to.be.instanceOf(HadaNormError);
    expect(blind.message).to.include('with --inputs or --scheduler');
    for (const flag of ['labels', 'cfg', 'mu']) {
      const lone = await rejection(run('quantize', dit, `--${flag}`, '3', '-o', at('never')));
      expect(lone.message).to.equal(`--${flag}: FLAGS must be beside --scheduler, got none.`);
    }
    expect(readdirSync(folder).filter((name) => name.startsWith('never'))).to.deep.equal([]);
  });
});
