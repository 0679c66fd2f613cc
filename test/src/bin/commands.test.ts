import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { zipSync } from 'fflate';
import { npyBytes, parseNpy } from '../../../src/bin/shared/npy.js';
import { recipeOf, recipeText } from '../../../src/bin/shared/recipes.js';
import {
  AbortedError,
  CalibrationStats,
  calibrate,
  HadaNormError,
  InvalidArgumentError,
  loadQuantized,
  PRESETS,
  parseReport,
  quantize,
} from '../../../src/index.js';
import { fileSystem } from '../../../src/node.js';
import { withPreset } from '../../../src/rewrite/presetOptions.js';
import '../../harness/backends/backends.js';
import { safetensorsOf } from '../../harness/models/safetensorsBytes.js';
import { tinyArtifacts, tinyBatch, tinyBatches, tinyDit } from '../../harness/models/tinyDit.js';
import { runCommand } from '../../harness/run/commandLine.js';
import { rejection } from '../../harness/run/rejection.js';

/** Quick: two samples, two steps each. */
const QUICK = '--trajectories 2 --steps 2 --backend cpu'.split(' ');

describe('The command line', () => {
  let folder: string;
  let at: (name: string) => string;
  let model: string;

  before(async () => {
    await tf.setBackend('cpu');
    folder = mkdtempSync(join(tmpdir(), 'hadanorm-cli-'));
    at = (name) => join(folder, name);
    model = at('model');
    await fileSystem(model).save(tinyArtifacts({ depth: 1 }));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const json = async (...args: string[]) =>
    JSON.parse((await runCommand([...args, '--json'])).stdout);

  it('inspect lists the linears, and what a preset would make of them', async () => {
    const { stdout } = await runCommand(['inspect', model, '--backend', 'cpu']);
    expect(stdout).to.include('blocks/0/mlp/fc1/MatMul').and.include('mlp.in');
    expect(stdout).to.match(/\n\d+ linears, [\d.]+ kB of float32 weights\n$/);
    const all = await json('inspect', model, '--backend', 'cpu');
    const planned = await json('inspect', model, '--dry-run', '--backend', 'cpu');
    expect(planned.linears.length).to.equal(all.linears.length);
    const mlp = planned.linears.find(({ role }: { role: string }) => role === 'mlp.in');
    expect(mlp).to.include({ treatment: 'transform', weightBits: 4, activationBits: 8 });
  });

  it('inspect plans a recipe, whose patterns are regular expressions', async () => {
    const recipe = at('recipe.json');
    const rules = [{ pattern: 'mlp', weights: { bits: 3 } }];
    writeFileSync(recipe, JSON.stringify({ preset: 'W8A8', rules }));
    const { linears } = await json('inspect', model, '--recipe', recipe, '--backend', 'cpu');
    const bits = (role: string) =>
      linears.find((linear: { role: string }) => linear.role === role).weightBits;
    expect([bits('mlp.out'), bits('attention.out')]).to.deep.equal([3, 8]);
  });

  it('a recipe goes over its preset, and each preset as JSON is itself', async () => {
    const recipe = at('over.json');
    const planned = (...args: string[]) => json('inspect', model, '--backend', 'cpu', ...args);
    const rules = [{ role: 'attention.out', weights: { bits: 8 } }];
    writeFileSync(recipe, JSON.stringify({ preset: 'W4A8', rules }));
    const { linears } = await planned('--recipe', recipe);
    const bits = linears.map(({ role, weightBits }: { role: string; weightBits: number }) => [
      role,
      weightBits,
    ]);
    const wanted = { 'attention.out': 8, 'mlp.out': 8, modulation: 4, final: null };
    expect(Object.fromEntries(bits)).to.include(wanted);
    for (const [preset, given] of Object.entries(PRESETS)) {
      writeFileSync(recipe, JSON.stringify(given));
      const again = await planned('--recipe', recipe);
      expect(again, preset).to.deep.equal(await planned('--dry-run', '--preset', preset));
      const { preset: own, ...read } = await recipeOf({ recipe });
      expect(withPreset('test', own, read)).to.deep.equal(withPreset('test', given, {}));
    }
  });

  it('quantize writes the recipe by which the same is made again', async () => {
    const stats = at('recipe.stats');
    const sampled = '--trajectories 6 --steps 2 --backend cpu'.split(' ');
    await runCommand(['calibrate', model, ...sampled, '-o', stats]);
    const from = ['quantize', model, '--stats', stats, '--backend', 'cpu'];
    const over = at('recipeOver.json');
    const rules = [{ pattern: 'fc1', weights: { bits: 5 } }];
    writeFileSync(over, JSON.stringify({ preset: 'W4A4', rules, weights: { groupSize: 16 } }));
    const asked = ['--recipe', over, '--min-sqnr', '26'];
    await runCommand([...from, ...asked, '-o', at('made')]);
    const recipe = join(at('made'), 'recipe.json');
    await runCommand([...from, '--recipe', recipe, '-o', at('again')]);
    const [made, again] = ['made', 'again'].map((name) =>
      parseReport(readFileSync(join(at(name), 'report.json'), 'utf8')),
    );
    expect(again!.linears.map(({ bytes, sqnr }) => ({ bytes, sqnr }))).to.deep.equal(
      made!.linears.map(({ bytes, sqnr }) => ({ bytes, sqnr })),
    );
    const { options } = JSON.parse(readFileSync(recipe, 'utf8'));
    expect(options.rules).to.deep.include(rules[0]);
    expect(options.rules.length, 'some for the target').to.be.above(4);
    expect(made!.linears.find(({ name }) => /fc1/.test(name))!.weightBits).to.be.oneOf([5, 8]);
  });

  it('that recipe holds what was chosen where rules took linears out of their site', async () => {
    await tf.setBackend('cpu');
    const apart = await tinyDit({ depth: 1, attention: 'separate' });
    const stats = await calibrate(apart, tinyBatches(2), { disposeBatches: true });
    const made = await quantize(apart, stats, { target: { maxBytes: 32_478 } });
    const file = at('chosen.json');
    writeFileSync(file, recipeText({}, made));
    const again = await quantize(apart, stats, await recipeOf({ recipe: file }));
    const treated = ({ linears }: typeof made.report) =>
      linears.map(({ name, weightBits, parts, bytes }) => ({ name, weightBits, parts, bytes }));
    expect(treated(again.report)).to.deep.equal(treated(made.report));
    for (const one of [apart, made.model, again.model]) one.dispose();
  });

  it('says of what file and where a recipe is wrong', async () => {
    const recipe = at('wrong.json');
    const faults: readonly [unknown, RegExp][] = [
      [[1], /wrong\.json: the file must be an object of options, got \[1\]/],
      [{ rules: [null] }, /wrong\.json: rules\[0\] must be an object, got null/],
      [{ rules: [{ weights: { bits: '8' } }] }, /: rules\[0\]\.weights\.bits must be /],
      [{ rules: [{ pattern: '(' }] }, /: rules\[0\]\.pattern must be a regular expression, got I/],
      [{ rules: [{ pattern: 3 }] }, /: rules\[0\]\.pattern must be a regular expression, got 3/],
      [{ rules: [{ match: {} }] }, /: rules\[0\]\.match must be a name or a RegExp/],
      [{ target: { minSqnr: 40 } }, /: options must be made of .*, got "target"/],
      [{ options: 3 }, /: options must be an object, got 3/],
      [{ options: {}, rules: [] }, /must be a preset by itself, .*, got "rules" beside it/],
      [{ preset: 'toString' }, /wrong\.json: preset must be one of W4A8, .*, got "toString"/],
    ];
    for (const [given, message] of faults) {
      writeFileSync(recipe, JSON.stringify(given));
      const error = await rejection(runCommand(['inspect', model, '--recipe', recipe]));
      expect(error).to.be.instanceOf(InvalidArgumentError);
      expect(error.message).to.match(message);
    }
    writeFileSync(recipe, JSON.stringify(PRESETS.W8A8));
    const both = ['inspect', model, '--recipe', recipe, '--preset', 'W4A8'];
    expect((await rejection(runCommand(both))).message).to.match(/got "--preset" beside it/);
  });

  it('shards that are merged are what one run gives', async () => {
    const sampled = '--trajectories 6 --batch-size 2 --steps 2 --backend cpu'.split(' ');
    await runCommand(['calibrate', model, ...sampled, '-o', at('all.stats')]);
    const parts = [1, 2, 3].map((i) => at(`part-${i}.stats`));
    for (const [i, part] of parts.entries()) {
      await runCommand(['calibrate', model, ...sampled, '--shard', `${i + 1}/3`, '-o', part]);
    }
    const { stdout } = await runCommand(['merge', ...parts, '-o', at('merged.stats')]);
    expect(stdout).to.match(/merged\.stats: \d+ batches, \d+ tensors\n$/);
    const [all, merged] = ['all', 'merged'].map((name) =>
      CalibrationStats.deserialize(new Uint8Array(readFileSync(at(`${name}.stats`)))),
    ) as [CalibrationStats, CalibrationStats];
    expect(merged.batches).to.equal(all.batches).and.above(3);
    const reports = [];
    for (const name of ['all', 'merged']) {
      const out = at(`of-${name}`);
      const args = ['--stats', at(`${name}.stats`), '--backend', 'cpu', '-o', out];
      await runCommand(['quantize', model, ...args]);
      reports.push(parseReport(readFileSync(join(out, 'report.json'), 'utf8')));
    }
    const [one, other] = reports.map(({ totals }) => totals);
    expect(other!.modelBytes).to.deep.equal(one!.modelBytes);
    expect(other!.sqnr!.output).to.be.closeTo(one!.sqnr!.output, 0.01);
  });

  it('takes inputs of .npz, .npy, .safetensors and of a module alike', async () => {
    const batch = tinyBatch(3, [0.1, 0.4, 0.6, 0.9]);
    const arrays = Object.entries(batch).map(([name, tensor]) => ({
      name,
      shape: tensor.shape,
      values: Float32Array.from(tensor.dataSync()),
    }));
    tf.dispose(batch);
    const npys = arrays.map(({ name, shape, values }) => {
      writeFileSync(at(`${name}.npy`), npyBytes(values, shape));
      return at(`${name}.npy`);
    });
    const entries = npys.map((file, i) => [`${arrays[i]!.name}.npy`, readFileSync(file)] as const);
    writeFileSync(at('inputs.npz'), zipSync(Object.fromEntries(entries)));
    writeFileSync(
      at('inputs.safetensors'),
      safetensorsOf(
        Object.fromEntries(
          arrays.map(({ name, shape, values }) => [
            name,
            { dtype: 'F32', shape, bytes: new Uint8Array(values.buffer) },
          ]),
        ),
      ),
    );
    const plain = JSON.stringify(
      Object.fromEntries(
        arrays.map(({ name, shape, values }) => [name, { shape, values: [...values] }]),
      ),
    );
    writeFileSync(
      at('batches.mjs'),
      `export default async function* ({ tf }) {
        const inputs = ${plain};
        for (const from of [0, 2]) {
          yield Object.fromEntries(Object.entries(inputs).map(([name, { shape, values }]) => {
            const each = values.length / 4;
            const part = values.slice(from * each, (from + 2) * each);
            const cut = [2, ...shape.slice(1)];
            const plain = { shape: cut, values: part };
            return [name, name === 'label' ? tf.tensor(part, cut, 'int32') : plain];
          }));
        }
      }`,
    );
    const statsOf = async (...inputs: string[]) => {
      const args = ['--batch-size', '2', '--backend', 'cpu', '--force', '-o', at('in.stats')];
      await runCommand(['calibrate', model, '-i', ...inputs, ...args]);
      return readFileSync(at('in.stats'));
    };
    const expected = await statsOf(at('inputs.npz'));
    for (const inputs of [npys, [at('inputs.safetensors')], [at('batches.mjs')]]) {
      expect((await statsOf(...inputs)).equals(expected), inputs.join()).to.equal(true);
    }
    const halves = [0, 2].map((from) => {
      const half = arrays.map(({ name, shape, values }) => {
        const each = values.length / 4;
        const part = values.slice(from * each, (from + 2) * each);
        const cut = [2, ...shape.slice(1)];
        return [name, tf.tensor(part, cut, name === 'label' ? 'int32' : 'float32')] as const;
      });
      return Object.fromEntries(half);
    });
    const loaded = await tf.loadGraphModel(fileSystem(model));
    const stats = await calibrate(loaded, halves, { timestep: 'timestep', disposeBatches: true });
    loaded.dispose();
    expect(Buffer.from(stats.serialize()).equals(expected)).to.equal(true);
  });

  describe('after quantize', () => {
    let small: string;
    before(async () => {
      small = at('small');
      const { stdout } = await runCommand(['quantize', model, ...QUICK, '-o', small]);
      expect(stdout).to.match(/attention\.qkv[\s\S]*small: least output SQNR [\d.]+ dB\n$/);
    });

    it('its model loads, checked, and is not overwritten without --force', async () => {
      (await loadQuantized(fileSystem(small))).dispose();
      const again = ['quantize', model, ...QUICK, '-o', small];
      const error = await rejection(runCommand(again));
      expect(error).to.be.instanceOf(HadaNormError);
      expect(error.message).to.include('small is there. Add --force to overwrite it.');
      await runCommand([...again, '--force']);
    });

    it('reaches a least SQNR, and says what it took', async () => {
      const { linears } = parseReport(readFileSync(join(small, 'report.json'), 'utf8'));
      const outputs = linears.flatMap(({ sqnr }) => (sqnr === null ? [] : [sqnr.output]));
      const wanted = `${Math.min(...outputs) + 0.5}`;
      const args = [...QUICK, '--min-sqnr', wanted, '-o', at('better')];
      const { in8Bits, ranks, sqnr } = await json('quantize', model, ...args);
      expect(in8Bits.length + Object.keys(ranks).length).to.be.above(0);
      expect(sqnr.min).to.be.at.least(Number(wanted));
    });

    it('verify compares it with the original, and fails below a bar', async () => {
      const args = ['verify', model, small, ...QUICK];
      const { backends } = await json(...args);
      expect(backends.length).to.equal(1);
      expect(backends[0].sqnr).to.be.within(15, 60);
      expect(backends[0].cosine).to.be.within(0.98, 1);
      expect(backends[0].maxError).to.be.above(0);
      const error = await rejection(runCommand([...args, '--min-sqnr', '90']));
      expect(error.message).to.match(/^verify: the outputs have [\d.]+ dB, 90 were wanted\./);
    });

    it('takes --sequential, and says so', async () => {
      const small = at('sequential');
      const { notes } = await json('quantize', model, ...QUICK, '--sequential', '-o', small);
      expect(notes.join()).to.include('calibrated sequentially');
    });

    it('verify says that the original is no quantized model', async () => {
      const error = await rejection(runCommand(['verify', model, model, ...QUICK]));
      expect(error).to.be.instanceOf(HadaNormError);
    });

    it('report writes a table, JSON, CSV and a page', async () => {
      const written = async (format: string) =>
        (await runCommand(['report', small, '--format', format])).stdout;
      expect(await written('table')).to.include('blocks/0/mlp/fc1');
      const report = parseReport(await written('json'));
      const rows = (await written('csv')).trim().split('\r\n');
      expect(rows[0]).to.match(/^linear,role,d,n,treatment,/);
      expect(rows.length).to.equal(report.linears.length + 1);
      expect(await written('html')).to.match(/^<!doctype html>/i);
    });

    it('sample writes what it draws', async () => {
      const args = ['--labels', '0,1', '--steps', '2', '--backend', 'cpu', '-o', at('s.npy')];
      const { shape } = await json('sample', small, ...args);
      const drawn = parseNpy(new Uint8Array(readFileSync(at('s.npy'))), 's.npy');
      expect(shape).to.deep.equal([2, 8, 8, 4]);
      expect(drawn.shape).to.deep.equal(shape);
      expect(drawn.values.every(Number.isFinite)).to.equal(true);
    });

    it('bench says which is faster, and by how much', async () => {
      const args = ['bench', model, small, ...QUICK, '--runs', '1'];
      const { stdout } = await runCommand(args);
      expect(stdout).to.match(/^The quantized model is (SLOWER: it takes )?[\d.]+ times as /);
      const { originalMs, quantizedMs, speedup } = await json(...args);
      expect(speedup).to.be.closeTo(originalMs / quantizedMs, 1e-9);
    });
  });

  it('what is stopped while it packs leaves no file', async () => {
    const abort = new AbortController();
    const running = runCommand(['quantize', model, ...QUICK, '-o', at('stopped')], {
      signal: abort.signal,
      onProgress: ({ stage }) => stage === 'save' && abort.abort(),
    });
    expect(await rejection(running)).to.be.instanceOf(AbortedError);
    expect(readdirSync(folder)).not.to.include('stopped');
  });

  it('a damaged model is a typed error before it runs, packed or not', async () => {
    await runCommand(['quantize', model, ...QUICK, '-o', at('sound')]);
    const json = (name: string) => join(at(name), 'model.json');
    const damage: [string, string, (text: string) => string, RegExp][] = [
      [
        'sound',
        'op',
        (text) => text.replace('"QuantizedMatMul"', '"Nope"'),
        /graph .* was altered/,
      ],
      ['sound', 'version', (text) => text.replace('"version":2,', '"version":9,'), /version 9/],
      [
        'model',
        'input',
        (text) => text.replace('"input":["', '"input":["ghost'),
        /ghost|tfjs makes/,
      ],
      ['model', 'graph', (text) => text.replace('"modelTopology"', '"x"'), /tfjs makes no model/],
    ];
    for (const [source, name, change, words] of damage) {
      cpSync(at(source), at(name), { recursive: true });
      const text = readFileSync(json(name), 'utf8');
      expect(change(text), name).not.to.equal(text);
      writeFileSync(json(name), change(text));
      const args = ['--labels', '0', '--backend', 'cpu', '-o', at('never.npy')];
      const error = await rejection(runCommand(['sample', at(name), ...args]));
      expect(error, name).to.be.instanceOf(HadaNormError);
      expect(error.message).to.match(words);
    }
  });

  it('inputs that fail are typed errors, and no number becomes another', async () => {
    const batch = (label: string, latent = '{ shape: [1, 8, 8, 4], values: Array(256).fill(0) }') =>
      `[{ latent: ${latent}, timestep: { shape: [1], values: [0.5] },
          label: { shape: [1], values: [${label}] } }]`;
    const faults: [string, RegExp][] = [
      ['[', /the module .* failed/],
      ['(() => { throw new Error("own") })', /the module .* failed: own\. DEBUG=1 shows where/],
      ['new Proxy({}, { get: () => { throw "trap" }, has: () => true })', /failed: "trap"/],
      [batch('0.5'), /batch 0, label must be integers of 32 bits, got 0\.5 at 0/],
      [batch('2 ** 32'), /batch 0, label must be integers of 32 bits, got 4294967296 at 0/],
      [batch('"a"'), /batch 0, label must be integers of 32 bits, got "a" at 0/],
      [batch('0', '{ shape: [1, 8, 8, 4], values: [1] }'), /latent must be 256 values .*, got 1/],
      [batch('0', '{ shape: [-1], values: [1] }'), /latent must be of a shape of integers/],
      [batch('1000'), /^calibrate: the model refuses a batch: .*1000/],
    ];
    for (const [i, [code, words]] of faults.entries()) {
      const file = at(`fault-${i}.mjs`);
      writeFileSync(file, `export default ${code}`);
      const args = ['-i', file, '-o', at('fault.stats'), '--backend', 'cpu'];
      const error = await rejection(runCommand(['calibrate', model, ...args]));
      expect(error, code).to.be.instanceOf(HadaNormError);
      expect(error.message).to.match(words);
    }
    expect(readdirSync(folder)).not.to.include('fault.stats');
  });

  it('where nothing can be written is said before the work', async () => {
    writeFileSync(at('taken'), 'mine');
    const faults: [string[], RegExp][] = [
      [['quantize', 'none', '-o', at('taken'), '--force'], /taken is there, and no folder/],
      [['quantize', 'none', '-o', join(at('taken'), 'x')], /cannot be written: ENOTDIR/],
      [['sample', 'none', '--labels', '0', '-o', folder, '--force'], /is there, and no file/],
      [['sample', 'none', '--labels', '0', '-o', ''], /is there, and no file/],
    ];
    if (process.platform === 'linux') {
      const device = ['sample', 'none', '--labels', '0', '-o', '/dev/null', '--force'];
      faults.push([device, /\/dev\/null is there, and no file/]);
      faults.push([['quantize', 'none', '-o', '/proc/none/x'], /cannot be written: ENOENT/]);
    }
    for (const [args, words] of faults) {
      const error = await rejection(runCommand(args));
      expect(error).to.be.instanceOf(HadaNormError);
      expect(error.message).to.match(words);
    }
    expect(readFileSync(at('taken'), 'utf8')).to.equal('mine');
  });

  const WRONG: readonly [string, string[], RegExp][] = [
    ['a size', ['--max-size', 'small'], /a size such as/],
    ['two targets', ['--max-size', '1MB', '--min-sqnr', '3'], /one of --min-sqnr, --mean-sqnr and/],
    [
      'two sources of statistics',
      ['--stats', 'a', '-i', 'b'],
      /'--stats <file>' cannot be used with/,
    ],
    ['more samples than a list', ['--trajectories', '4294967295'], /from 1 to 1048576/],
    ['a recipe that is not there', ['--recipe', 'no.json'], /--recipe no\.json: cannot be read/],
    ['inputs of another kind', ['-i', 'inputs.txt'], /inputs\.txt/],
    ['a target too high', ['--min-sqnr', '300'], /^quantize: target\.minSqnr must be at most/],
    ['a flag that there is none of', ['--bits', '4'], /unknown option '--bits'/],
  ];
  for (const [what, args, message] of WRONG) {
    it(`quantize says in one line what is wrong with ${what}`, async () => {
      const error = await rejection(
        runCommand(['quantize', model, ...QUICK, '-o', at('wrong'), ...args]),
      );
      expect(error.message).to.match(message).and.not.include('\n');
      expect(readdirSync(folder)).not.to.include('wrong');
    });
  }
});
