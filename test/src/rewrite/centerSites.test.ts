import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import fc from 'fast-check';
import { graphOfModel } from '../../../src/graph/model.js';
import {
  type CalibrationStats,
  calibrate,
  type LinearReport,
  type RewriteOptions,
  rewriteGraph,
} from '../../../src/index.js';
import { meanErrorDecibels } from '../../../src/math/decibels.js';
import { groupBy } from '../../../src/math/groups.js';
import { analyze } from '../../../src/recognize/analysis.js';
import { transformers } from '../../harness/graphs/random.js';
import { loaded } from '../../harness/graphs/run.js';
import { transformer } from '../../harness/graphs/transformer.js';
import { varied } from '../../harness/graphs/zoo.js';

/** What is cheaper is taken within so many dB. */
const TIE_DB = 0.05;

/** What all output channels may say otherwise than those that are looked at first. */
const SAMPLED_DB = 0.5;

/** Transformed linears by the site that they read. */
function sitesOf(
  model: tf.GraphModel,
  stats: CalibrationStats,
  options: RewriteOptions,
): Map<string, LinearReport[]> {
  const { model: small, report } = rewriteGraph(model, { stats, ...options });
  small.dispose();
  const { linears } = analyze(graphOfModel('test', model));
  const keys = new Map(linears.map(({ linear, key }) => [linear.name, key]));
  const done = report.linears.filter(({ treatment }) => treatment === 'transformed');
  return groupBy(done, ({ name }) => keys.get(name)!);
}

/** What `ways` say of one that nothing was fitted to. */
function outputOf(linears: readonly LinearReport[]): number {
  return meanErrorDecibels(linears.map(({ sqnr }) => sqnr!.output));
}

function expectLeast(site: string, linears: readonly LinearReport[]): void {
  const [{ parts, ways, method }] = linears as [LinearReport];
  const at = ways!.findIndex(
    (way) =>
      way.method === method &&
      way.center === parts!.center &&
      way.scale === parts!.scale &&
      way.rotate === parts!.rotate,
  );
  const outputs = ways!.map(({ output }) => output);
  const best = Math.max(...outputs);
  expect(outputs[at], site).to.be.at.least(best - TIE_DB);
  const quarot = ways!.find(
    ({ center, scale, rotate }) => center === 'none' && scale === 'none' && rotate,
  );
  const bar = quarot?.output ?? Number.NEGATIVE_INFINITY;
  expect(outputs[at], site).to.be.at.least(bar);
  // what is cheaper is worse than allowed
  for (const cheaper of outputs.slice(0, at)) {
    expect(cheaper < Math.max(best - TIE_DB, bar), `${site}: ${outputs}`).to.equal(true);
  }
  for (const linear of linears) {
    expect(linear.parts, site).to.deep.equal(parts);
    expect(linear.ways, site).to.deep.equal(ways);
    expect(linear.method, site).to.equal(method);
  }
}

/** A branch is there only where no way without one measures better. */
function expectBranchWorthIt(site: string, linears: readonly LinearReport[]): void {
  const [{ parts, ways = [] }] = linears as [LinearReport];
  const best = (some: typeof ways) => Math.max(...some.map(({ output }) => output));
  const beside = ways.filter(({ branch }) => branch !== undefined);
  const alone = ways.filter(({ branch }) => branch === undefined);
  if (parts!.branch !== undefined) {
    // ways are compared on some of the output channels
    expect(best(beside), site).to.be.at.least(best(alone) - SAMPLED_DB);
  } else if (beside.length > 0) {
    expect(best(alone), site).to.be.at.least(best(beside) - SAMPLED_DB);
  }
}

describe('Each site of any transformer', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  it('is treated with the least error that was measured, and no worse than by QuaRot', async () => {
    const bits = fc.constantFrom(4, 8);
    const methods = fc.constantFrom('hadanorm', 'hadanorm', 'auto' as const);
    const property = fc.asyncProperty(transformers, bits, methods, async (spec, width, method) => {
      const graph = transformer(spec);
      const model = await loaded(graph.artifacts);
      const batches = [1, 2, 3].map((seed) => graph.inputs(4, graph.tokens[0]!, seed));
      const stats = await calibrate(model, batches, { disposeBatches: true });
      const options = { method, activations: { bits: width }, lowRank: 0 } as const;
      for (const [site, linears] of sitesOf(model, stats, options)) {
        expectLeast(site, linears);
        const own = meanErrorDecibels(linears.map(({ sqnr }) => sqnr!.output));
        const quarot = linears.flatMap(({ compared }) => compared.hadamard?.output ?? []);
        // a width without a Hadamard matrix has none
        if (quarot.length > 0) expect(own, site).to.be.at.least(meanErrorDecibels(quarot) - 1e-9);
      }
      for (const [site, linears] of sitesOf(model, stats, { ...options, lowRank: 'auto' })) {
        expectBranchWorthIt(site, linears);
      }
      model.dispose();
    });
    await fc.assert(property, { seed: 11, numRuns: 12 });
  });

  it('measures each way as it would do by itself', async () => {
    const graph = varied({});
    const model = await loaded(graph.artifacts);
    const batches = [1, 2, 3].map((seed) => graph.inputs(4, graph.tokens[0]!, seed));
    const stats = await calibrate(model, batches, { disposeBatches: true });
    const sites = sitesOf(model, stats, { compare: false });
    for (const scale of ['none', 'balanced'] as const) {
      for (const rotate of [true, false]) {
        const plain = { center: 'none', scale, rotate, compare: false } as const;
        for (const [site, linears] of sitesOf(model, stats, plain)) {
          const way = sites
            .get(site)![0]!
            .ways!.find(
              (one) => one.center === 'none' && one.scale === scale && one.rotate === rotate,
            );
          expect(way!.output, site).to.equal(outputOf(linears));
        }
      }
    }
    model.dispose();
  });
});
