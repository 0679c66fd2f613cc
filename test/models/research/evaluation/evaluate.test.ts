import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { expect } from 'chai';
import { PNG } from 'pngjs';
import { buildDit } from '../../../../models/builder/dit.js';
import { evaluate } from '../../../../models/research/evaluation/evaluate.js';
import { commandOf } from '../../../../models/research/evaluation/flags.js';
import type { EvaluationPlan } from '../../../../models/research/evaluation/plan.js';
import {
  batchesOf,
  disposeRecording,
  record,
} from '../../../../models/research/evaluation/recording.js';
import {
  EMPTY_FILE,
  type EvaluationFile,
  mergedFiles,
  type OfflineRow,
  type PairedRow,
} from '../../../../models/research/evaluation/rows.js';
import type { KeptStatistics } from '../../../../models/research/evaluation/subject.js';
import { FEATURES } from '../../../../models/research/featureGraph.js';
import {
  FeatureNetwork,
  type FeatureReference,
  loadReference,
} from '../../../../models/research/features.js';
import { seededDitWeights } from '../../../../models/seeded.js';
import { Sheet } from '../../../../models/sheet.js';
import { sample } from '../../../../src/diffusion/sampler.js';
import { HadaNormError } from '../../../../src/index.js';
import { expectNoLeakAsync } from '../../../harness/run/memory.js';
import { rejection } from '../../../harness/run/rejection.js';

/** Draws pictures of 32×32 in milliseconds; they show nothing. */
const CONFIG = {
  inputSize: 32,
  patchSize: 8,
  channels: 3,
  hiddenSize: 64,
  depth: 1,
  numHeads: 2,
  mlpRatio: 2,
  numClasses: 16,
};

const FORGETFUL: KeptStatistics = { read: async () => null, write: async () => {} };

describe('Evaluation, end to end on a tiny DiT', () => {
  let model: tf.GraphModel;
  let network: FeatureNetwork;
  let reference: FeatureReference;
  let cache = '';
  before(async () => {
    await tf.setBackend('wasm');
    const artifacts = buildDit(CONFIG, seededDitWeights(CONFIG, 1));
    model = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
    network = await FeatureNetwork.load('avatars');
    const { train, heldOut } = await loadReference('avatars');
    const size = 64 * FEATURES;
    reference = { count: 64, train: train.slice(0, size), heldOut: heldOut.slice(0, size) };
    cache = await mkdtemp(join(tmpdir(), 'evaluation-'));
  });
  after(async () => {
    model.dispose();
    network.dispose();
    await rm(cache, { recursive: true, force: true });
  });

  const planOf = (flags: string): EvaluationPlan => {
    const command = commandOf([...flags.split(' '), '--cache', cache]);
    return command.kind === 'evaluate' ? command.plan : expect.fail('not an evaluation');
  };

  /** Rows, and the parts that were worked on. */
  const run = async (
    plan: EvaluationPlan,
    {
      known = EMPTY_FILE,
      signal = new AbortController().signal,
      sheet = null as Sheet | null,
      kept = FORGETFUL,
      onRun = (_name: string) => {},
    } = {},
  ) => {
    const paired: PairedRow[] = [];
    const offline: OfflineRow[] = [];
    const parts: string[] = [];
    await evaluate({
      plan,
      model,
      network,
      reference: async () => reference,
      known,
      kept,
      sheet,
      signal,
      withBar: async (name, total, work) => {
        let done = 0;
        let all = total;
        const result = await work((changed) => {
          all = changed ?? all;
          done++;
          onRun(name);
        });
        expect(done, `parts of ${name}`).to.equal(all);
        parts.push(name);
        return result;
      },
      onPaired: async (row) => void paired.push(row),
      onOffline: async (row) => void offline.push(row),
    });
    const file: EvaluationFile = { version: 2, paired, offline };
    return { file, parts };
  };

  const PLAN = '--configurations rtn,hadanorm-plain --bits W8A8,W3A3 --samples 18 --steps 2';

  it('gives every row; fewer bits are worse in every part; no memory is left', async () => {
    const { file } = await expectNoLeakAsync(() => run(planOf(PLAN)));
    const names = file.paired.map(({ configuration, bits }) => `${configuration} ${bits}`);
    expect(names).to.deep.equal([
      'rtn W8A8',
      'hadanorm-plain W8A8',
      'rtn W3A3',
      'hadanorm-plain W3A3',
    ]);
    for (const i of [0, 1]) {
      const [fine, coarse] = [file.paired[i]!, file.paired[i + 2]!];
      expect(fine.linears.mean).to.be.above(coarse.linears.mean + 10);
      expect(fine.velocity.mean).to.be.above(coarse.velocity.mean + 10);
      expect(fine.psnr).to.be.above(coarse.psnr + 10);
      expect(fine.featureDistance).to.be.below(coarse.featureDistance);
      expect(fine.size).to.be.above(coarse.size);
      expect(Math.min(...fine.pictures)).to.be.below(fine.psnr);
      expect(fine.linears.least).to.be.below(fine.linears.mean);
      expect(fine.velocity.steps).to.have.length(2);
      expect(Object.keys(fine.linears.roles)).to.include('attention.qkv');
    }
  });

  it('runs that share statistics give the same rows, and calibrate once', async () => {
    const plan = planOf('--configurations hadanorm --bits W4A8 --samples 2 --steps 1');
    const written: Uint8Array[] = [];
    const kept: KeptStatistics = {
      read: async () => written[0] ?? null,
      write: async (bytes) => void written.push(bytes),
    };
    const first = await run(plan, { kept });
    const second = await run(plan, { kept });
    expect(second.file).to.deep.equal(first.file);
    expect(first.file.paired).to.have.length(1);
    expect(written).to.have.length(1);
  });

  it('what is calibrated sequentially is other, and loses no more', async () => {
    const flags = '--configurations hadanorm,hadanorm-sequential --bits W4A4 --samples 8 --steps 2';
    const { file, parts } = await expectNoLeakAsync(() => run(planOf(flags)));
    const [plain, sequential] = file.paired as [PairedRow, PairedRow];
    expect(sequential.configuration).to.equal('hadanorm-sequential');
    expect(sequential.pictures).to.not.deep.equal(plain.pictures);
    expect(sequential.velocity.mean).to.be.above(plain.velocity.mean - 1);
    expect(parts).to.include('avatars-nano hadanorm-sequential W4A4: calibrate and quantize');
  });

  it('part (d) gives floor, original and configurations, and goes on where it was', async () => {
    const plan = planOf(
      '--configurations rtn --bits W4A4 --samples 2 --steps 1 --offline --count 128 --replicates 5',
    );
    const { file, parts } = await run(plan);
    expect(file.offline.map(({ configuration }) => configuration)).to.deep.equal([
      'real',
      'fp32',
      'rtn',
    ]);
    const [floor, original, rtn] = file.offline as [OfflineRow, OfflineRow, OfflineRow];
    expect(floor.original).to.equal(null);
    expect(original.real.fid.value, 'noise is not like avatars').to.be.above(
      3 * floor.real.fid.value,
    );
    expect(rtn.original!.fid.value).to.be.below(rtn.real.fid.value);
    expect(rtn.count).to.equal(128);
    expect(parts.at(-1)).to.equal('avatars-nano-rtn-W4A4: (d)');
    const folders = await readdir(cache);
    expect(folders).to.have.length(2);

    const cut = { ...file, offline: file.offline.slice(0, 2) };
    const again = await run(plan, { known: cut });
    expect(mergedFiles([cut, again.file])).to.deep.equal(file);
    expect(again.file.paired).to.deep.equal([]);
    expect(await readdir(cache), 'no other files').to.deep.equal(folders);

    const damaged = join(cache, folders[0]!, '0001.bin');
    await truncate(damaged, 1000);
    const error = await rejection(run(plan, { known: cut }));
    expect(error).to.be.instanceOf(HadaNormError);
    expect(error.message).to.include(`${damaged} holds 1000 bytes`);
  });

  for (const stage of ['calibrate and draw', 'quantize', '(a)–(c)', 'fp32: (d)', 'W8A8: (d)']) {
    it(`stops when aborted within "${stage}", with nothing left in memory`, async () => {
      const flags =
        '--configurations rtn --bits W8A8 --samples 2 --steps 3 --seed 9 ' +
        '--offline --count 64 --replicates 2';
      const abort = new AbortController();
      const onRun = (name: string) => {
        if (name.endsWith(stage)) abort.abort();
      };
      const options = { signal: abort.signal, onRun };
      await expectNoLeakAsync(async () => {
        const error = await rejection(run(planOf(flags), options));
        expect(error.name).to.equal('AbortError');
      });
    });
  }

  it('draws a sheet: a row of eight for the original and each configuration', async () => {
    const sheet = new Sheet();
    await run(planOf('--configurations rtn --bits W8A8,W2A2 --samples 8 --steps 1'), { sheet });
    const { width, height, data } = PNG.sync.read(sheet.png());
    // each below its name
    const [size, band] = [128, 27];
    expect([width, height]).to.deep.equal([8 * size, 3 * (band + size)]);
    const lines = (from: number, count: number) =>
      data.subarray(from * width * 4, (from + count) * width * 4);
    const row = (i: number) => lines(i * (band + size) + band, size);
    for (const i of [0, 1, 2]) expect([...lines(i * (band + size), band)]).to.include(0);
    const apart = (a: number, b: number) =>
      row(a).reduce((sum, value, i) => sum + Math.abs(value - row(b)[i]!), 0);
    expect(apart(0, 1)).to.be.below(apart(0, 2));
    expect(apart(0, 2)).to.be.above(0);
  });

  it('a recording ends in what the sampler draws', async () => {
    const [batch] = batchesOf(3, 16, 5);
    await expectNoLeakAsync(async () => {
      const watched = { signal: new AbortController().signal, onRun: () => {} };
      const recording = await record(model, batch!, 3, watched);
      const drawn = await sample(model, { ...batch!, steps: 3 });
      expect(recording.pictures.dataSync()).to.deep.equal(drawn.dataSync());
      expect(recording.inputs).to.have.length(3);
      drawn.dispose();
      disposeRecording(recording);
    });
  });

  it('labels are evenly spread over batches, whose noise depends on seed and batch alone', () => {
    const batches = batchesOf(40, 10, 3);
    expect(batches.map(({ labels }) => labels.length)).to.deep.equal([16, 16, 8]);
    const labels = batches.flatMap((batch) => batch.labels);
    expect(labels).to.deep.equal(Array.from({ length: 40 }, (_, i) => i % 10));
    expect(batchesOf(20, 10, 3)[1]!.seed).to.equal(batches[1]!.seed);
    expect(new Set([...batches, ...batchesOf(40, 10, 4)].map(({ seed }) => seed)).size).to.equal(6);
  });
});
