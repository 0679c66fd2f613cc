import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  type CalibrationStats,
  calibrate,
  HadaNormError,
  type RewriteOptions,
  rewriteGraph,
} from '../../../src/index.js';
import {
  tinyArtifacts,
  tinyBatch,
  tinyDit,
  tinyStats,
  velocityOf,
  weightDataOf,
} from '../../harness/models/tinyDit.js';
import { expectNoLeak } from '../../harness/run/memory.js';

describe('Statistics', () => {
  let model: tf.GraphModel;
  let stats: CalibrationStats;
  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit({ hiddenSize: 16 });
    stats = await tinyStats(model);
  });
  after(() => model.dispose());

  const refused = (options: RewriteOptions, ...words: string[]) => {
    expectNoLeak(() => {
      let error: unknown;
      try {
        rewriteGraph(model, options).model.dispose();
      } catch (thrown) {
        error = thrown;
      }
      expect(error).to.be.instanceOf(HadaNormError);
      for (const word of words) expect((error as Error).message).to.include(word);
    });
  };

  it('are asked for where a method needs them, with the way out', () => {
    const wayOut = ['stats must be given', "'hadamard'", 'await calibrate(model, batches)'];
    refused({}, ...wayOut);
    refused({ method: 'smoothquant' }, ...wayOut);
    refused({ method: 'centered' }, ...wayOut);
    refused({ method: 'rtn', center: 'static' }, ...wayOut);
    refused({ method: 'auto' }, 'stats must be given', "'auto'", 'await calibrate');
    const range = { range: 'static' } as const;
    refused({ method: 'rtn', activations: range }, 'stats must be given', "'static'");
  });

  for (const options of [
    { method: 'hadamard' },
    { method: 'rtn' },
    { method: 'centered', meanRank: 0 },
    { method: 'hadanorm', meanRank: 0, scale: 'none' },
  ] as const) {
    it(`are not needed for ${JSON.stringify(options)}`, () => {
      const { model: small, report } = rewriteGraph(model, options);
      const transformed = report.linears.filter(({ treatment }) => treatment === 'transformed');
      expect(transformed.length).to.equal(4);
      expect(transformed.every(({ sqnr }) => sqnr === null)).to.equal(true);
      expect(report.totals.sqnr).to.equal(null);
      small.dispose();
    });
  }

  it('without a Hessian do not do for GPTQ, and round to nearest by default', async () => {
    const plain = await tinyStats(model, { hessian: false });
    const rounding = 'gptq' as const;
    refused({ stats: plain, weights: { rounding } }, 'hessian: true', 'weights.rounding');
    refused({ method: 'hadamard', weights: { rounding } }, 'weights.rounding');
    const roundings = (options: RewriteOptions) => {
      const { model: small, report } = rewriteGraph(model, { compare: false, ...options });
      small.dispose();
      const transformed = report.linears.filter(({ treatment }) => treatment === 'transformed');
      return [...new Set(transformed.map((linear) => linear.rounding))];
    };
    expect(roundings({ stats: plain })).to.deep.equal(['nearest']);
    expect(roundings({ stats })).to.deep.equal(['gptq']);
    expect(roundings({ stats, weights: { bits: 8 } })).to.deep.equal(['nearest']);
    expect(roundings({ stats, weights: { bits: 8, rounding } })).to.deep.equal(['gptq']);
    expect(roundings({ stats, weights: { rounding: 'nearest' } })).to.deep.equal(['nearest']);
  });

  it('of another model are refused, by width and by name', async () => {
    const wide = await tinyDit({ hiddenSize: 32 });
    const wider = await tinyStats(wide);
    const words = ['of another model', 'calibrate this one'];
    refused({ stats: wider }, '32 channels', ...words);
    refused({ stats: wider, method: 'rtn' }, '32 channels', ...words);
    const deep = await tinyDit({ hiddenSize: 16, depth: 2 });
    expect(() => rewriteGraph(deep, { stats })).to.throw(HadaNormError, /blocks\/1.*another model/);
    wide.dispose();
    deep.dispose();
  });

  it('of no batches are refused, of a single sample will do', async () => {
    const none = await calibrate(model, []);
    refused({ stats: none }, 'stats must be of one batch at least');
    refused({ stats: none, method: 'auto' }, 'stats must be of one batch at least');
    const single = await calibrate(model, [tinyBatch(1, [0.5])], { disposeBatches: true });
    const { model: small } = rewriteGraph(model, { stats: single });
    expect(velocityOf(small, tinyBatch(2)).every(Number.isFinite)).to.equal(true);
    small.dispose();
  });

  it('with NaN or Infinity are refused', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const spoilt = await tinyStats(model);
      [...spoilt.sites.values()].at(-2)!.total.sum[3] = bad;
      refused({ stats: spoilt }, 'NaN or Infinity');
    }
  });

  it('of a model that gives NaN are refused, and its weights too', async () => {
    const artifacts = tinyArtifacts({ hiddenSize: 16 });
    const data = weightDataOf(artifacts).slice();
    let at = 0;
    for (const { name, shape } of artifacts.weightSpecs!) {
      if (name.includes('mlp/fc1') && shape.length === 2) {
        new DataView(data.buffer).setFloat32(at + 40, Number.NaN, true);
      }
      at += 4 * tf.util.sizeFromShape(shape);
    }
    const broken = await tf.loadGraphModel(
      tf.io.fromMemory({ ...artifacts, weightData: data.buffer }),
    );
    const spoilt = await tinyStats(broken);
    expectNoLeak(() => {
      expect(() => rewriteGraph(broken, { stats: spoilt })).to.throw(HadaNormError, /NaN/);
      expect(() => rewriteGraph(broken, { method: 'hadamard' })).to.throw(HadaNormError, /NaN/);
    });
    broken.dispose();
  });
});
