import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  AbortedError,
  CalibrationStats,
  calibrate,
  HadaNormError,
  InvalidArgumentError,
  PRESETS,
  rewriteGraph,
} from '../../../src/index.js';
import {
  type CheckpointBatches,
  loadCheckpoint,
  type QuantizeCheckpointOptions,
  quantizeCheckpoint,
} from '../../../src/load.js';
import { checkpointFiles } from '../../../src/node.js';
import { publishedCase, publishedFolder } from '../../harness/models/published.js';
import { DISTINCT, outputOf, PUBLISHED } from '../../harness/models/publishedCases.js';
import { rejection } from '../../harness/run/rejection.js';

const source = (name: string) => checkpointFiles(publishedFolder(name));

/** The fixture's inputs, and others of the same shapes. */
function batchesOf(name: string): tf.NamedTensorMap[] {
  const { inputs } = publishedCase(name);
  const others = Object.entries(inputs).map(([input, tensor]) => {
    const changed = tensor.dtype === 'int32' ? tf.clone(tensor) : tf.mul(tensor, 0.75);
    return [input, changed] as const;
  });
  return [inputs, Object.fromEntries(others)];
}

describe('quantizeCheckpoint with batches', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  for (const name of DISTINCT) {
    it(`${name}: what calibrate and rewriteGraph make of the whole model, to the bit`, async () => {
      const { numTensors } = tf.memory();
      const load = PUBLISHED[name]!;
      const model = await loadCheckpoint(source(name), load);
      const stats = await calibrate(model, batchesOf(name), {
        ...{ timestep: 'timestep', disposeBatches: true },
      });
      const expected = rewriteGraph(model, { ...PRESETS.W4A8.options, stats, compare: false });
      const made = await quantizeCheckpoint(source(name), {
        ...load,
        batches: batchesOf(name),
        // parts of a linear or two
        calibrate: { timestep: 'timestep', disposeBatches: true, partBytes: 8192 },
      });
      const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
      const { linears, ...rest } = expected.report;
      expect([...made.report.linears].sort(byName)).to.deep.equal([...linears].sort(byName));
      expect({ ...made.report, linears: [] }).to.deep.equal({ ...rest, linears: [] });
      expect(made.report.linears.some(({ rounding }) => rounding === 'gptq')).to.equal(true);
      const { inputs } = publishedCase(name);
      const again = publishedCase(name).inputs;
      expect(await outputOf(made.model, inputs)).to.deep.equal(
        await outputOf(expected.model, again),
      );
      for (const one of [model, expected.model, made.model]) one.dispose();
      expect(tf.memory().numTensors, 'tensors left').to.equal(numTensors);
    });
  }

  it('reads a part, calibrates on it and packs it before the next', async () => {
    const seen: string[] = [];
    const { model } = await quantizeCheckpoint(source('dit'), {
      batches: (given) => {
        expect(given.inputs.map(({ name }) => name)).to.have.members([
          ...['latent', 'timestep', 'label'],
        ]);
        return batchesOf('dit');
      },
      calibrate: { disposeBatches: true, partBytes: 8192 },
      onProgress: ({ stage, done, total, name }) => {
        expect(done).to.be.within(1, total!);
        seen.push(`${stage} ${name}`);
      },
    });
    model.dispose();
    const packed = seen.indexOf('quantize transformer_blocks/0/ff/net/2/MatMul');
    const later = seen.indexOf('load transformer_blocks.1.attn1.to_k.weight');
    expect(packed).to.be.within(1, later - 1);
    expect(seen.filter((one) => one.startsWith('quantize'))).to.have.length(20);
  });

  it('leaves nothing behind when it is cancelled at any stage', async () => {
    for (const at of ['load', 'calibrate', 'quantize']) {
      const { numTensors } = tf.memory();
      const controller = new AbortController();
      const cancelled = quantizeCheckpoint(source('dit'), {
        ...{ batches: batchesOf('dit'), signal: controller.signal },
        calibrate: { disposeBatches: true, partBytes: 8192 },
        onProgress: ({ stage, done }) => {
          if (stage === at && done === 3) controller.abort();
        },
      });
      expect(await rejection(cancelled), at).to.be.instanceOf(AbortedError);
      expect(tf.memory().numTensors, at).to.equal(numTensors);
    }
  });

  it('refuses batches that are none, or not the model’s, and statistics beside them', async () => {
    const [batch] = batchesOf('dit');
    const { latent, ...less } = batch!;
    const stats = new CalibrationStats(0, new Map(), { means: 1, samples: 1, tokensPerSample: 1 });
    const wrong: readonly [QuantizeCheckpointOptions, string][] = [
      [{ batches: [] }, 'batches must be one batch at least, got none'],
      [{ batches: [less] }, 'none for "latent"'],
      [{ batches: 3 as unknown as CheckpointBatches }, 'batches must be an iterable'],
      [{ batches: [batch!], stats }, 'stats must be absent beside batches'],
      [{ batches: [batch!], calibrate: { resume: stats } as object }, 'calibrate must be some of'],
      [{ batches: [batch!], calibrate: { partBytes: 0 } }, 'calibrate.partBytes must be'],
      [{ calibrate: { means: 3 } }, 'calibrate must be absent without batches'],
    ];
    for (const [options, words] of wrong) {
      const error = await rejection(quantizeCheckpoint(source('dit'), options));
      expect(error, words).to.be.instanceOf(InvalidArgumentError);
      expect((error as Error).message).to.include(words);
    }
    tf.dispose([batch!, latent!]);
  });

  it('tells of a batch that the model cannot take', async () => {
    const { numTensors } = tf.memory();
    const [batch, other] = batchesOf('dit');
    const label = tf.fill(batch!.label!.shape, 1e6, 'int32');
    const wrong = { ...other!, label };
    const batches = [batch!, wrong];
    const made = quantizeCheckpoint(source('dit'), { batches });
    const error = await rejection(made);
    expect(error).to.be.instanceOf(HadaNormError);
    expect((error as Error).message).to.include('the model refuses batches[1]');
    tf.dispose([batch!, other!, label]);
    expect(tf.memory().numTensors).to.equal(numTensors);
  });
});
