import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { graphOfModel } from '../../../src/graph/model.js';
import {
  type CalibrationStats,
  InvalidArgumentError,
  type LinearReport,
  type RewriteOptions,
  rewriteGraph,
} from '../../../src/index.js';
import { loaded } from '../../harness/graphs/run.js';
import { withSideBranch } from '../../harness/graphs/sideBranch.js';
import {
  tinyArtifacts,
  tinyBatch,
  tinyDit,
  tinyStats,
  velocityOf,
} from '../../harness/models/tinyDit.js';
import { expectNoLeak } from '../../harness/run/memory.js';

/** q, k and v apart, so that three linears read one tensor. */
const SEPARATE = { attention: 'separate', linear: 'matMul' } as const;

/**
 * ChannelCenter nodes of four centered sites: two each, or none where one node centers and
 * quantizes.
 */
const CENTERS = [
  ['simulate', 8],
  ['integer', 0],
] as const;

/** So that transforms can be counted by their centers. */
const CENTERED = { center: 'dynamic' } as const;

describe('Rules', () => {
  let model: tf.GraphModel;
  let stats: CalibrationStats;
  before(async () => {
    await tf.setBackend('cpu');
    model = await tinyDit(SEPARATE);
    stats = await tinyStats(model);
  });
  after(() => model.dispose());

  /** Rewrites, and gives the linears by role with the nodes of the new graph by op. */
  function rewritten(options: RewriteOptions) {
    return expectNoLeak(() => {
      const { model: small, report } = rewriteGraph(model, { stats, compare: false, ...options });
      const { nodes } = graphOfModel('test', small);
      const count = (op: string) => [...nodes.values()].filter((node) => node.op === op).length;
      const counts = {
        center: count('ChannelCenter'),
        quantize: count('FakeQuant') + count('HadaNormQuantize'),
      };
      const finite = velocityOf(small, tinyBatch(3)).every(Number.isFinite);
      small.dispose();
      expect(finite).to.equal(true);
      return { linears: report.linears, ...counts };
    });
  }

  /** Bits of weights by name, of those that have others than 4. */
  const bitsOf = (rules: RewriteOptions['rules'] & object) =>
    Object.fromEntries(
      rewritten({ rules })
        .linears.filter(
          ({ treatment, weightBits }) => treatment === 'transformed' && weightBits !== 4,
        )
        .map(({ role, weightBits }) => [role, weightBits]),
    );

  it('go by role, by family of roles, by name and by pattern', () => {
    const weights = { bits: 6 };
    expect(bitsOf([{ role: 'attention.k', weights }])).to.deep.equal({ 'attention.k': 6 });
    expect(bitsOf([{ role: 'mlp', weights }])).to.deep.equal({ 'mlp.in': 6, 'mlp.out': 6 });
    const { name } = rewritten({}).linears.find(({ role }) => role === 'mlp.in')!;
    expect(bitsOf([{ match: name, weights }])).to.deep.equal({ 'mlp.in': 6 });
    expect(bitsOf([{ match: name.slice(1), weights }])).to.deep.equal({});
    const all = { 'attention.q': 6, 'attention.k': 6, 'attention.v': 6, 'attention.out': 6 };
    expect(bitsOf([{ match: /attn/, weights }])).to.deep.equal(all);
    expect(bitsOf([{ role: 'attention', match: /proj/, weights }])).to.deep.equal({
      'attention.out': 6,
    });
  });

  it('take patterns with the g and y flags, which remember where they were', () => {
    const weights = { bits: 6 };
    const pattern = /attn/g;
    pattern.lastIndex = 3;
    expect(Object.keys(bitsOf([{ match: pattern, weights }])).length).to.equal(4);
    expect(Object.keys(bitsOf([{ match: pattern, weights }])).length).to.equal(4);
    expect(pattern.lastIndex).to.equal(3);
  });

  it('that come later win, option by option', () => {
    const { linears } = rewritten({
      rules: [
        { weights: { bits: 6 }, activations: { bits: 6 } },
        { role: 'mlp', weights: { bits: 3 } },
        { role: 'mlp.out', activations: { bits: 4 } },
      ],
    });
    const bits = Object.fromEntries(
      linears
        .filter(({ treatment }) => treatment === 'transformed')
        .map(({ role, weightBits, activationBits }) => [role, [weightBits, activationBits]]),
    );
    expect(bits['attention.q']).to.deep.equal([6, 6]);
    expect(bits['mlp.in']).to.deep.equal([3, 6]);
    expect(bits['mlp.out']).to.deep.equal([3, 4]);
  });

  it('with mixed bits of weights leave one transform for the linears of a site', () => {
    const rules: RewriteOptions['rules'] = [
      { role: 'attention.k', weights: { bits: 8 } },
      { role: 'attention.v', weights: { bits: null } },
    ];
    for (const [mode, centers] of CENTERS) {
      for (const options of [{}, { rules }]) {
        const { center, quantize } = rewritten({ ...options, ...CENTERED, mode });
        expect([center, quantize], mode).to.deep.equal([centers, 4]);
      }
    }
  });

  it('with other methods or activations give a site several transforms that do not clash', () => {
    const rules: RewriteOptions['rules'] = [
      { role: 'attention.k', method: 'hadamard', center: 'none' },
      { role: 'attention.v', activations: { bits: 4 }, lowRank: 3 },
      { role: 'attention.q', treatment: 'weightOnly' },
    ];
    for (const [mode, centers] of CENTERS) {
      const { center, quantize } = rewritten({ rules, ...CENTERED, mode });
      expect([center, quantize], mode).to.deep.equal([centers, 5]);
    }
    const { linears } = rewritten({ rules });
    const byRole = new Map(linears.map((linear) => [linear.role, linear]));
    expect(byRole.get('attention.k')!.method).to.equal('hadamard');
    expect(byRole.get('attention.v')!.activationBits).to.equal(4);
    expect(byRole.get('attention.q')!.treatment).to.equal('weightOnly');
  });

  const treatmentOf = (linears: readonly LinearReport[], role: string) =>
    linears.filter((linear) => linear.role === role).map(({ treatment }) => treatment)[0];

  it('say what is done: transform, weightOnly or skip', () => {
    const { linears } = rewritten({
      rules: [
        { role: 'modulation', treatment: 'transform' },
        { role: 'mlp.in', treatment: 'weightOnly', weights: { bits: 5 } },
        { role: 'mlp.out', treatment: 'skip' },
      ],
    });
    expect(treatmentOf(linears, 'modulation')).to.equal('transformed');
    expect(treatmentOf(linears, 'mlp.out')).to.equal('untouched');
    const { weightBits, activationBits, method } = linears.find(({ role }) => role === 'mlp.in')!;
    expect({ weightBits, activationBits, method }).to.deep.equal({
      weightBits: 5,
      activationBits: null,
      method: null,
    });
  });

  it('weightOnly: false leaves modulation, embeddings and the final layer alone', () => {
    const { linears } = rewritten({ weightOnly: false });
    for (const role of ['modulation', 'embedding', 'final']) {
      expect(treatmentOf(linears, role), role).to.equal('untouched');
    }
    const ruled = rewritten({
      weightOnly: false,
      rules: [{ role: 'final', treatment: 'weightOnly' }],
    });
    expect(treatmentOf(ruled.linears, 'final')).to.equal('weightOnly');
  });

  it('weights alone are quantized as they are, whatever the options say of transforms', () => {
    const nodesOf = (options: RewriteOptions) => {
      const { model: small, report } = rewriteGraph(model, {
        stats,
        compare: false,
        rules: [{ treatment: 'weightOnly' }],
        ...options,
      });
      const ops = new Set([...graphOfModel('test', small).nodes.values()].map(({ op }) => op));
      small.dispose();
      expect(new Set(report.linears.map(({ treatment }) => treatment))).to.deep.equal(
        new Set(['weightOnly']),
      );
      return [...ops].filter((op) => /Hada|ChannelCenter|FakeQuant/.test(op));
    };
    expect(nodesOf({})).to.deep.equal([]);
    expect(nodesOf({ rotate: true, scale: 'std', center: 'static' })).to.deep.equal([]);
  });
});

describe('A linear that fits no pattern', () => {
  it('is skipped, or done as a rule says, without statistics of its own', async () => {
    await tf.setBackend('cpu');
    const model = await loaded(withSideBranch(tinyArtifacts()));
    const stats = await tinyStats(model);
    const other = (options: RewriteOptions) => {
      const { model: small, report } = rewriteGraph(model, { stats, compare: false, ...options });
      small.dispose();
      return report.linears.find(({ role }) => role === 'other')!;
    };
    const { name, treatment, reason } = other({});
    expect([treatment, reason]).to.deep.equal(['untouched', 'fits no pattern of a transformer']);
    const rule = (given: object) => ({ rules: [{ match: name, ...given }] });
    expect(other(rule({ treatment: 'weightOnly' })).treatment).to.equal('weightOnly');
    expect(other(rule({ treatment: 'transform', method: 'rtn' })).method).to.equal('rtn');
    expect(other(rule({ treatment: 'skip' })).treatment).to.equal('untouched');
    expectNoLeak(() => {
      expect(() => other(rule({ treatment: 'transform' }))).to.throw(
        InvalidArgumentError,
        /is not calibrated.*'hadamard' or 'rtn'/,
      );
    });
    model.dispose();
  });
});
