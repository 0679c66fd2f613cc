import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { checkBackends } from '../../ops/common/alive.js';
import {
  calibrate,
  calibrateOnTrajectories,
  evaluateLinears,
  quantize,
  rewriteGraphAsync,
  sample,
  saveQuantized,
} from '../../src/index.js';
import { describeOnBackends } from '../harness/backends/onBackends.js';
import { tinyBatch, tinyDit } from '../harness/models/tinyDit.js';

const FORWARD = 'WEBGPU_CPU_FORWARD';
const DRAW = { labels: [0, 1], steps: 2 };

/** The parts of a WebGPU backend that are looked at. */
interface Backend {
  readonly tensorMap: { get(dataId: object): { readonly values?: unknown } };
  readSync(dataId: object): unknown;
}

describeOnBackends('What takes its time', (name) => {
  if (name !== 'webgpu') return;
  let restore = () => {};

  before(() => {
    checkBackends('test');
    // small tensors are computed in the page's memory otherwise
    tf.env().set(FORWARD, false);
    const backend = tf.backend() as unknown as Backend;
    const { readSync } = backend;
    backend.readSync = (dataId) => {
      const { values } = backend.tensorMap.get(dataId);
      if (values == null) throw new Error('A tensor was read in step.');
      return readSync.call(backend, dataId);
    };
    restore = () => {
      backend.readSync = readSync;
      tf.env().set(FORWARD, true);
    };
  });

  after(() => restore());

  it('waits for values: calibration, rewriting, measurement, sampling and saving', async () => {
    const model = await tinyDit();
    const batches = [tinyBatch(1), tinyBatch(2)];
    // weights are on the GPU alone from here on
    tf.dispose(model.execute(batches[0]!) as tf.Tensor);
    const stats = await calibrate(model, batches, { timestep: 'timestep' });
    expect(stats.batches).to.equal(2);
    const before = tf.memory().numTensors;
    const { model: small } = await rewriteGraphAsync(model, { stats, method: 'hadamard' });
    const measured = await evaluateLinears(model, small, batches);
    expect(measured.length).to.be.above(3);
    for (const { output } of measured) expect(output).to.be.within(15, 80);
    const pictures = await sample(small, DRAW);
    expect((await pictures.data()).every(Number.isFinite)).to.equal(true);
    await calibrateOnTrajectories(model, { recipe: { samples: 1, steps: 2, keep: [0] } });
    let saved: tf.io.ModelArtifacts | undefined;
    const handler = tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    });
    await saveQuantized(small, handler);
    expect(saved?.weightSpecs?.length).to.be.above(10);
    pictures.dispose();
    small.dispose();
    expect(tf.memory().numTensors).to.equal(before);
    tf.dispose(batches);
    model.dispose();
  });

  it('waits for values: sequential calibration', async () => {
    const model = await tinyDit();
    const batches = [tinyBatch(1), tinyBatch(2)];
    tf.dispose(model.execute(batches[0]!) as tf.Tensor);
    const before = tf.memory().numTensors;
    const options = { sequential: true, calibrate: { timestep: 'timestep' } };
    const { model: small, report } = await quantize(model, batches, options);
    expect(report.totals.sqnr!.output).to.be.within(15, 80);
    small.dispose();
    expect(tf.memory().numTensors).to.equal(before);
    tf.dispose(batches);
    model.dispose();
  });

  it('gives the statistics that reading in step gives', async () => {
    const statsOf = async () => {
      const [model, batch] = [await tinyDit(), tinyBatch(3)];
      const stats = await calibrate(model, [batch]);
      tf.dispose(batch);
      model.dispose();
      return stats;
    };
    const stats = await statsOf();
    await tf.setBackend('cpu');
    const same = await statsOf().finally(() => tf.setBackend('webgpu'));
    expect([...stats.sites.keys()]).to.deep.equal([...same.sites.keys()]);
    for (const [key, { total, scatter, kept }] of stats.sites) {
      const other = same.sites.get(key)!;
      expect([total.tokens, kept.length]).to.deep.equal([other.total.tokens, other.kept.length]);
      expectClose(total.sum, other.total.sum, key);
      expectClose(total.within, other.total.within, key);
      expectClose(scatter ?? [], other.scatter ?? [], key);
    }
  });
});

function expectClose(got: ArrayLike<number>, wanted: ArrayLike<number>, what: string): void {
  expect(got.length).to.equal(wanted.length);
  const largest = Math.max(...Array.from(wanted, Math.abs), 1);
  // sines of a GPU in software are 1e-4 off
  Array.from(got, (value, i) => expect(value, what).to.be.closeTo(wanted[i]!, 1e-3 * largest));
}
