import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { boolAttr, numberAttr, stringAttr } from '../../../src/graph/attrs.js';
import type { GraphNode } from '../../../src/graph/ir.js';
import { graphOfModel } from '../../../src/graph/model.js';
import {
  type CalibrationStats,
  type QuantizationReport,
  type RewriteOptions,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import {
  tinyBatch,
  tinyDit,
  tinyStats,
  velocityOf,
  weightDataOf,
} from '../../harness/models/tinyDit.js';
import { expectNoLeak } from '../../harness/run/memory.js';
import { savedBy } from '../../harness/run/savedBy.js';

interface Rewritten {
  readonly report: QuantizationReport;
  readonly ops: readonly string[];
  /** The activations'. */
  readonly quantizers: readonly ReturnType<typeof quantizerOf>[];
  /** By name. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

function quantizerOf({ attrs }: GraphNode) {
  const number = (name: string) => numberAttr(attrs, name, Number.NaN);
  return {
    bits: number('bits'),
    symmetric: boolAttr(attrs, 'symmetric'),
    granularity: stringAttr(attrs, 'granularity'),
    groupSize: number('groupSize'),
    min: number('rangeMin'),
    max: number('rangeMax'),
  };
}

/** One treatment for all sites, whatever is asked beside it. */
const CENTERED = { center: 'dynamic' } as const;

describe('Options of rewriteGraph', () => {
  let model: tf.GraphModel;
  let stats: CalibrationStats;
  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit();
    stats = await tinyStats(model);
  });
  after(() => model.dispose());

  function rewritten(options: RewriteOptions): Rewritten {
    return expectNoLeak(() => {
      // the nodes of 'simulate' are one for each part; those of 'integer' compute the same:
      // integer.test.ts
      const how = { stats, compare: false, mode: 'simulate' } as const;
      const { model: small, report } = rewriteGraph(model, { ...how, ...options });
      const { nodes, weights } = graphOfModel('test', small);
      const all = [...nodes.values()];
      expect(velocityOf(small, tinyBatch(3)).every(Number.isFinite)).to.equal(true);
      small.dispose();
      const quantizers = all.filter(({ op }) => op === 'FakeQuant').map(quantizerOf);
      const shapes = new Map([...weights].map(([name, { spec }]) => [name, spec.shape]));
      return { report, ops: all.map(({ op }) => op), quantizers, shapes };
    });
  }

  const mean = ({ report }: Rewritten) => report.totals.sqnr!.output;
  const count = ({ ops }: Rewritten, wanted: string) => ops.filter((op) => op === wanted).length;
  const shapesOf = ({ shapes }: Rewritten, ending: string) =>
    [...shapes].filter(([name]) => name.endsWith(ending)).map(([, shape]) => shape);

  it('null bits leave weights or activations as they are', () => {
    const weights = rewritten({ weights: { bits: null } });
    expect(weights.quantizers.length).to.equal(4);
    const transformed = weights.report.linears.filter(
      ({ treatment }) => treatment === 'transformed',
    );
    expect(
      transformed.every(({ execution, rounding }) => execution === 'float' && rounding === null),
    ).to.equal(true);
    const activations = rewritten({ activations: { bits: null } });
    expect(activations.quantizers).to.deep.equal([]);
    expect(mean(weights)).to.be.above(mean(rewritten({})));
    expect(mean(activations)).to.be.above(mean(rewritten({})));
  });

  it('more bits give a better output', () => {
    const outputs = [2, 3, 4, 5, 6, 8].map((bits) =>
      mean(rewritten({ ...CENTERED, weights: { bits } })),
    );
    expect(outputs).to.deep.equal([...outputs].sort((a, b) => a - b));
    const finer = [2, 3, 4, 6, 8].map((bits) =>
      mean(rewritten({ ...CENTERED, activations: { bits } })),
    );
    expect(finer).to.deep.equal([...finer].sort((a, b) => a - b));
  });

  it('perChannel has one scale for each output, perGroup one for each group', () => {
    const [name] = rewritten({}).report.linears.filter(({ role }) => role === 'mlp.out');
    expect(name!.shape).to.deep.equal([64, 32]);
    const fc2 = (weights: RewriteOptions['weights'] & object) =>
      rewritten({ weights }).shapes.get(`${name!.name}/hadanorm/scales`);
    expect(fc2({ granularity: 'perChannel' })).to.deep.equal([1, 32]);
    expect(fc2({ groupSize: 16 })).to.deep.equal([4, 32]);
    expect(fc2({ groupSize: 1000 })).to.deep.equal([1, 32]);
  });

  it('activations are quantized as they are told to be', () => {
    const attrs = (activations: RewriteOptions['activations'] & object) => {
      const { quantizers } = rewritten({ activations });
      expect(quantizers.length).to.equal(4);
      return quantizers[0]!;
    };
    expect(attrs({})).to.include({ bits: 8, symmetric: false, granularity: 'perToken' });
    expect(attrs({ bits: 4 })).to.include({ granularity: 'perGroup', groupSize: 64 });
    expect(attrs({ bits: 4, groupSize: 8 })).to.include({ groupSize: 8 });
    expect(attrs({ symmetric: true })).to.include({ symmetric: true });
    const whole = attrs({ granularity: 'perTensor' });
    expect(whole.granularity).to.equal('perTensor');
    expect([whole.min, whole.max], 'no fixed range').to.deep.equal([Number.NaN, Number.NaN]);
    const fixed = attrs({ range: 'static' });
    expect(fixed.granularity).to.equal('perTensor');
    expect(fixed.min).to.be.below(0);
    expect(fixed.max).to.be.above(0);
  });

  it('centering is none, static or dynamic', () => {
    const centers = (center: 'none' | 'static' | 'dynamic') =>
      count(rewritten({ center }), 'ChannelCenter');
    expect([centers('none'), centers('static'), centers('dynamic')]).to.deep.equal([0, 4, 8]);
  });

  it('blockSize is that of every rotation; a larger one mixes more', () => {
    const { report } = rewritten({ rotate: true, blockSize: 8, activations: { bits: 4 } });
    expect(report.totals.sqnr).to.not.equal(null);
    const rotations = (options: RewriteOptions) => count(rewritten(options), 'HadamardTransform');
    expect(rotations({ method: 'hadamard', blockSize: 4 })).to.equal(4);
    expect(rotations({ ...CENTERED, rotate: true, blockSize: 4 })).to.equal(8);
    expect(rotations({ rotate: false })).to.equal(0);
  });

  it('a low-rank branch helps, and is no wider than the matrix', () => {
    const plain = rewritten({ weights: { bits: 2 } });
    const some = rewritten({ weights: { bits: 2 }, lowRank: 4 });
    const all = rewritten({ weights: { bits: 2 }, lowRank: 1000, activations: { bits: null } });
    expect(shapesOf(plain, '/directions')).to.deep.equal([]);
    // a matrix of directions for each site, and for each linear their weights, two rows once more
    expect(shapesOf(some, '/directions').map(([, rank]) => rank)).to.deep.equal([4, 4, 4, 4]);
    expect(mean(some)).to.be.above(mean(plain) + 0.5);
    for (const { shape, sqnr, treatment, name } of all.report.linears) {
      const weights = all.shapes.get(`${name}/hadanorm/directionWeights`);
      if (treatment !== 'transformed') {
        expect(weights, name).to.equal(undefined);
        continue;
      }
      expect(weights, name).to.deep.equal([shape[0] + 2, shape[1]]);
      expect(sqnr!.output, name).to.be.above(40);
    }
  });

  it('the mean’s rank is what is asked for, and no more than the channels', () => {
    const ranks = (meanRank: number) =>
      shapesOf(rewritten({ meanRank }), 'modulated/hadanorm/basis').map(([rank]) => rank);
    expect(ranks(0)).to.deep.equal([]);
    expect(ranks(3)).to.deep.equal([3, 3]);
    expect(ranks(64), 'of 32 channels').to.deep.equal([32, 32]);
  });

  it('the same seed gives the same file, another seed another one', async () => {
    const file = async (options: RewriteOptions) => {
      const { model: small } = rewriteGraph(model, { stats, compare: false, ...options });
      const artifacts = await savedBy((handler) => saveQuantized(small, handler));
      small.dispose();
      return Buffer.from(weightDataOf(artifacts)).toString('base64');
    };
    const rotate = true;
    expect(await file({ seed: 3, rotate })).to.equal(await file({ seed: 3, rotate }));
    expect(await file({ seed: 3, rotate })).to.not.equal(await file({ seed: 4, rotate }));
    expect(await file({ rotate })).to.equal(await file({ seed: 0, rotate }));
    const unsigned = { rotate, signs: false };
    expect(await file({ ...unsigned, seed: 3 })).to.equal(await file({ ...unsigned, seed: 4 }));
  });

  it('do not change the statistics', () => {
    const before = stats.serialize();
    rewritten({ method: 'auto', lowRank: 2 });
    expect(stats.serialize()).to.deep.equal(before);
  });
});
