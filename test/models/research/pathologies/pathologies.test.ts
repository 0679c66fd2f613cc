import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { buildDit, type DitConfig } from '../../../../models/builder/dit.js';
import { BITS_NAMES, METHOD_ROWS } from '../../../../models/research/pathologies/ablation.js';
import { pathologiesDocs } from '../../../../models/research/pathologies/docs.js';
import { commandOf } from '../../../../models/research/pathologies/flags.js';
import { drawPictures, flowBatches } from '../../../../models/research/pathologies/flowBatches.js';
import { linearSqnr } from '../../../../models/research/pathologies/linearSqnr.js';
import { measureModel, type Step } from '../../../../models/research/pathologies/measureModel.js';
import {
  type PathologiesFile,
  readPathologies,
} from '../../../../models/research/pathologies/results.js';
import {
  activationStatistics,
  magnitudeRange,
} from '../../../../models/research/pathologies/statistics.js';
import { ablationTable } from '../../../../models/research/pathologies/tables.js';
import { seededDitWeights } from '../../../../models/seeded.js';
import { ROOT } from '../../../../scripts/process.js';
import { markdownTable } from '../../../../src/cli/textTable.js';
import type { DitInputs } from '../../../../src/diffusion/sampler.js';
import {
  calibrate,
  describeGraph,
  evaluateLinears,
  HadaNormError,
  InvalidArgumentError,
  rewriteGraph,
} from '../../../../src/index.js';
import '../../../harness/backends/backends.js';
import { CHILD_ENV } from '../../../harness/run/child.js';
import { expectNoLeakAsync } from '../../../harness/run/memory.js';

/** Draws pictures of 32 pixels, as far as its shapes go. */
const CONFIG: DitConfig = {
  inputSize: 32,
  patchSize: 8,
  channels: 3,
  hiddenSize: 32,
  depth: 2,
  numHeads: 2,
  mlpRatio: 2,
  numClasses: 16,
};

describe('Activation statistics', () => {
  it('of one sample: a mean, none, and a channel that does not move', () => {
    // tokens (1, −2, 10) and (3, 2, 10): means 2, 0 and 10; standard deviations √2, √8 and 0
    const x = Float32Array.of(1, -2, 10, 3, 2, 10);
    const { meanToStd, meanEnergy, channelRatio } = activationStatistics(x, 2, 3);
    expect(meanToStd).to.be.closeTo(2 / Math.SQRT2, 1e-5);
    expect(meanEnergy).to.be.closeTo(208 / 218, 1e-12);
    expect(channelRatio).to.be.closeTo(10 / 3, 1e-12);
  });

  it('means are of each sample by itself, ranges over all of them', () => {
    const x = Float32Array.of(1, 1, -5, -5);
    const { meanEnergy, channelRatio, meanToStd } = activationStatistics(x, 2, 1);
    expect([meanEnergy, channelRatio]).to.deep.equal([1, 1]);
    expect(meanToStd).to.be.closeTo(1e6, 1);
    expect(activationStatistics(x, 4, 1).meanEnergy).to.be.closeTo(16 / 52, 1e-12);
  });

  it('kurtosis is 1 for two values, 1.8 for evenly spread ones, n for one outlier among n', () => {
    const of = (x: Float32Array) => activationStatistics(x, x.length, 1).kurtosis;
    expect(of(Float32Array.of(-1, 1, 1, -1))).to.equal(1);
    expect(of(Float32Array.from({ length: 10_001 }, (_, i) => i / 1000))).to.be.closeTo(1.8, 1e-4);
    expect(of(Float32Array.from({ length: 1000 }, (_, i) => (i === 3 ? 1 : 0)))).to.be.closeTo(
      998,
      0.01,
    );
  });

  it('magnitudes: least, median, largest', () => {
    const range = { least: 0.5, median: 2, largest: 4 };
    expect(magnitudeRange(Float32Array.of(-4, 2, -0.5))).to.deep.equal(range);
  });

  it('what is no whole sample of two tokens gets a typed error', () => {
    for (const [length, tokens] of [
      [5, 2],
      [0, 2],
      [3, 1],
    ] as const) {
      const run = () => activationStatistics(new Float32Array(length), tokens, 3);
      expect(run).to.throw(InvalidArgumentError, 'two tokens at least');
    }
  });
});

describe('Pathologies of a model', () => {
  const pictures = {
    calibration: [
      [0, 0],
      [3, 1],
    ],
    heldOut: [[5, 2900]],
  } as const;
  const options = { pictures, times: [0.25, 0.75] };
  let model: tf.GraphModel;
  let measured: Pick<PathologiesFile, 'statistics' | 'ablation'>;

  before(async () => {
    await tf.setBackend('wasm');
    const artifacts = buildDit(CONFIG, seededDitWeights(CONFIG, 2));
    model = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
    // first run: what the ops cache stays
    measured = await measureModel(model, options);
  });
  after(() => model.dispose());

  it('has every layer and modulation at every time, and each method at each bit-width', () => {
    const { layers, scales } = measured.statistics;
    const names = ['attn/qkv', 'attn/proj', 'mlp/fc1', 'mlp/fc2'];
    expect(layers.map(({ name }) => name)).to.have.members(
      [0, 1].flatMap((block) => names.map((name) => `blocks/${block}/${name}`)),
    );
    expect(scales.map(({ name }) => name)).to.deep.equal(
      [0, 1].flatMap((block) => [`blocks/${block}/norm1`, `blocks/${block}/norm2`]),
    );
    for (const { byTime } of [...layers, ...scales]) {
      expect(byTime.map(([time]) => time)).to.deep.equal([0.25, 0.75]);
    }
    const { ablation } = measured;
    expect(ablation.length).to.equal(METHOD_ROWS.length);
    for (const cells of ablation) {
      expect(cells.length).to.equal(BITS_NAMES.length);
      expect(cells, 'falls with the bits').to.deep.equal([...cells].sort((a, b) => b - a));
    }
    const [nearest, balanced] = [ablation[0]!, ablation.at(-1)!];
    // at W4A4
    expect(balanced[2]).to.be.above(nearest[2]! + 2);
  });

  it('is the same again, reports its steps, and leaves no tensor behind', async () => {
    const steps = new Map<Step, number>();
    await expectNoLeakAsync(async () => {
      const onProgress = (step: Step, done: number, total: number) => {
        steps.set(step, done / total);
      };
      expect(await measureModel(model, { ...options, onProgress })).to.deep.equal(measured);
    });
    expect([...steps]).to.deep.equal([
      ['calibrate', 1],
      ['observe', 1],
      ['quantize', 1],
    ]);
  });

  it('every row of HadaNorm names what it does, whatever the defaults measure', () => {
    const rows = METHOD_ROWS.filter(({ options }) => options.method === 'hadanorm');
    expect(rows).to.have.length(4);
    for (const { name, options } of rows) {
      expect(options, name).to.include({ center: 'dynamic', rotate: true, signs: false });
    }
  });

  it('stops where a signal says so, and leaves no tensor behind', async () => {
    for (const at of ['calibrate', 'observe', 'quantize'] as const) {
      const abort = new AbortController();
      const onProgress = (step: Step) => {
        if (step === at) abort.abort();
      };
      await expectNoLeakAsync(async () => {
        const run = measureModel(model, { ...options, onProgress, signal: abort.signal });
        const error = await run.catch((reason: unknown) => reason);
        expect(error).to.have.property('name', 'AbortError');
      });
    }
  });

  it('linears alone: evaluateLinears’, or with the mean by the original weights', async () => {
    const [seen, heldOut] = [5, 6].map((seed) => [
      ...flowBatches(drawPictures([[1, seed]], 32), [0.2, 0.8], seed),
    ]) as [DitInputs[], DitInputs[]];
    const stats = await calibrate(model, seen, { hessian: false });
    const linears = describeGraph(model).linears.filter(({ role }) => /attention|mlp/.test(role));
    for (const method of ['rtn', 'centered'] as const) {
      const { model: small } = rewriteGraph(model, {
        ...{ stats, method, meanRank: 0, weightOnly: false, compare: false },
        ...{ mode: 'simulate', fuse: false, weights: { bits: 3, rounding: 'nearest' } },
      });
      const all = await evaluateLinears(model, small, heldOut);
      const stored = linears.map(({ name }) => all.find((row) => row.name === name)!.output);
      const plain = await linearSqnr(model, small, linears, heldOut, null);
      plain.forEach((value, i) => {
        expect(value).to.be.closeTo(stored[i]!, 1e-4);
      });
      const exact = await linearSqnr(model, small, linears, heldOut, stats);
      if (method === 'centered') {
        exact.forEach((value, i) => {
          expect(value).to.be.above(stored[i]!);
        });
      }
      small.dispose();
    }
    tf.dispose([seen, heldOut]);
  });

  it('docs hold its tables, and what was measured is read back as it was written', () => {
    const file: PathologiesFile = {
      ...measured,
      version: 1,
      command: 'npm run pathologies',
      model: 'avatars',
      weights: 'given',
      methods: METHOD_ROWS.map(({ name }) => name),
    };
    const read = readPathologies(JSON.stringify(file), 'a.json');
    expect(read).to.deep.equal(file);
    const shipped: PathologiesFile = { ...file, weights: 'shipped' };
    const text = pathologiesDocs([shipped, read]);
    expect(text).to.include(markdownTable(ablationTable(file.ablation)));
    expect(text).to.include('blocks/1/mlp/fc2');
    for (const wrong of ['', '{}', JSON.stringify({ ...file, version: 2 })]) {
      expect(() => readPathologies(wrong, 'b.json')).to.throw(HadaNormError, 'b.json is not what');
    }
  });

  it('pictures of no style, or of another size, get a typed error', () => {
    expect(() => drawPictures([[16, 0]], 32)).to.throw(InvalidArgumentError, 'labels 0 to 15');
    expect(() => drawPictures([[0, 0]], 48)).to.throw(InvalidArgumentError, '64 or 32, got 48');
  });

  it('a picture at t = 1 is itself, from −1 to 1', () => {
    const drawn = drawPictures([[8, 7]], 32);
    const [batch] = [...flowBatches(drawn, [1], 3)];
    const { latent, timestep, label } = batch!;
    expect(latent.dataSync()).to.deep.equal(drawn.pixels);
    expect([...timestep.dataSync(), ...label.dataSync()]).to.deep.equal([1, 8]);
    expect(Math.max(...drawn.pixels)).to.be.within(0.5, 1);
    expect(Math.min(...drawn.pixels)).to.be.within(-1, 0);
    tf.dispose([latent, timestep, label]);
  });

  it('its command: what to measure, or docs to write; anything else is a typed error', () => {
    const nano = { kind: 'measure', model: 'avatars-nano', weights: null, json: null };
    expect(commandOf([])).to.deep.equal(nano);
    const given = ['--model', 'avatars', '--heads', '4', '--json', 'j', '--weights', 'a', 'b'];
    expect(commandOf(given)).to.deep.equal({
      ...{ kind: 'measure', model: 'avatars', json: 'j' },
      weights: { files: ['a', 'b'], heads: 4 },
    });
    expect(commandOf(['--docs', 'a', 'b'])).to.deep.equal({ kind: 'docs', files: ['a', 'b'] });
    for (const [args, message] of [
      [['--model', 'fashion'], '--model must be avatars-nano or avatars'],
      [['--weights', 'a'], '--heads must be an integer ≥ 1 with --weights, got none.'],
      [['--heads', '2'], '--weights must be given with --heads, or with files, got 2.'],
      [['a'], '--weights must be given with --heads, or with files, got a.'],
      [['--docs'], '--docs must be followed by files that --json wrote, got none.'],
      [['--docs', 'a', '--json', 'j'], '--docs must be given without other flags, got --json.'],
      [['--modle', 'x'], '--modle'],
    ] as const) {
      expect(() => commandOf(args), message).to.throw(InvalidArgumentError, message);
    }
  });

  it('the command exits with 2 for wrong flags', () => {
    const args = [
      '--import',
      'tsx',
      join('models', 'research', 'pathologies', 'main.ts'),
      '--model',
      'x',
    ];
    const child = { cwd: ROOT, encoding: 'utf8', env: CHILD_ENV } as const;
    const { status, stderr } = spawnSync(process.execPath, args, child);
    expect(stderr).to.include('--model must be avatars-nano or');
    expect(status).to.equal(2);
  });
});
