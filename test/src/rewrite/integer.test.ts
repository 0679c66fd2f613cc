import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { DitConfig } from '../../../models/builder/dit.js';
import { graphOfModel } from '../../../src/graph/model.js';
import {
  type CalibrationStats,
  loadQuantized,
  NothingToQuantizeError,
  type RewriteOptions,
  type RewriteResult,
  rewriteGraph,
  saveQuantized,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { compareModes, distance } from '../../harness/models/integerMode.js';
import { tinyBatch, tinyDit, tinyStats, velocityOf } from '../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

/** Every method, granularity and form of a linear, at bits that kernels treat alike and not. */
const VARIANTS: readonly (readonly [string, RewriteOptions, Partial<DitConfig>?])[] = [
  ['HadaNorm at W4A8', {}],
  ['HadaNorm at W8A8', { weights: { bits: 8 } }],
  ['HadaNorm at W4A4', { activations: { bits: 4, groupSize: 16 } }],
  ['HadaNorm at W4A4 per token', { activations: { bits: 4, granularity: 'perToken' } }],
  ['HadaNorm at W3A5', { weights: { bits: 3 }, activations: { bits: 5 } }],
  ['HadaNorm at W7A6', { weights: { bits: 7 }, activations: { bits: 6 } }],
  ['HadaNorm at W2A2', { weights: { bits: 2 }, activations: { bits: 2, groupSize: 8 } }],
  ['HadaNorm rotated in blocks', { rotate: true, blockSize: 8, signs: false }],
  ['HadaNorm, no directions of the mean', { meanRank: 0, rotate: true }],
  ['HadaNorm, one direction of the mean', { meanRank: 1, scale: 'std' }],
  [
    'groups that no kernel likes',
    { weights: { groupSize: 5 }, activations: { groupSize: 7, granularity: 'perGroup' } },
  ],
  ['QuaRot', { method: 'hadamard' }],
  ['SmoothQuant per channel', { method: 'smoothquant', weights: { granularity: 'perChannel' } }],
  ['round to nearest, symmetric', { method: 'rtn', activations: { symmetric: true } }],
  ['centered', { method: 'centered', activations: { bits: 6, symmetric: true } }],
  ['a static mean and range', { center: 'static', activations: { range: 'static' } }],
  ['a static symmetric range', { activations: { range: 'static', symmetric: true, bits: 6 } }],
  ['a dynamic range of the tensor', { activations: { granularity: 'perTensor' } }],
  ['a low-rank branch', { lowRank: 4 }],
  [
    'directions taken out of few bits',
    { lowRank: 3, branch: 'subtracted', activations: { bits: 4 } },
  ],
  [
    'directions beside a static mean and range',
    { lowRank: 'auto', branch: 'activations', center: 'static', activations: { range: 'static' } },
  ],
  ['float32 activations', { activations: { bits: null } }],
  ['float32 weights', { weights: { bits: null }, weightOnly: { bits: null } }],
  ['no weight-only linears', { weightOnly: false }],
  ['the best method of each', { method: 'auto' }],
  [
    'different linears of one site',
    {
      rules: [
        { role: 'attention.k', lowRank: 2, weights: { bits: 8 } },
        { role: 'attention.v', weights: { bits: null } },
      ],
    },
    { attention: 'separate' },
  ],
  ['products written as Einsum', {}, { linear: 'einsum', attention: 'separate' }],
  ['products of rows', {}, { linear: 'matMul' }],
];

describeOnBackends("mode: 'integer'", (backend) => {
  const models = new Map<string, { model: tf.GraphModel; stats: CalibrationStats }>();
  after(() => {
    for (const { model } of models.values()) model.dispose();
  });

  async function subject(changes: Partial<DitConfig>) {
    const key = JSON.stringify(changes);
    const model = models.get(key)?.model ?? (await tinyDit(changes));
    const made = models.get(key) ?? { model, stats: await tinyStats(model) };
    models.set(key, made);
    return made;
  }

  // compositions, on a software GPU: every fifth
  const slow = backend.startsWith('webg');
  for (const [title, options, changes = {}] of VARIANTS.filter((_, i) => !slow || i % 5 === 0)) {
    if (changes.linear === 'einsum' && backend === 'wasm') {
      it.skip(`SKIPPED: tfjs's wasm backend has no Einsum: ${title}`);
      continue;
    }
    it(`${title}: the codes of simulate mode, and its outputs`, async () => {
      const { model, stats } = await subject(changes);
      await expectNoLeakAsync(async () => {
        const both = inBothModes(model, { stats, compare: false, ...options });
        const [simulated, integer] = both.map((result) => result.model) as [
          tf.GraphModel,
          tf.GraphModel,
        ];
        const batch = tinyBatch(9);
        for (const row of compareModes(model, simulated, integer, batch)) {
          expect(row.mismatches, `codes of ${row.name} that differ`).to.equal(0);
          expect(row.error, `output of ${row.name}`).to.be.below(1e-5);
        }
        const exact = velocityOf(model, tinyBatch(9));
        const one = velocityOf(simulated, tinyBatch(9));
        const other = velocityOf(integer, tinyBatch(9));
        // where rounding tips a code of a later layer, noise of quantization takes its place
        expect(distance(one, other)).to.be.below(1e-4 + 0.5 * distance(exact, one));
        tf.dispose(batch);
        simulated.dispose();
        integer.dispose();
      });
    });
  }

  it('a site is one node, a linear another, and activations between linears are none', async () => {
    const { model, stats } = await subject({});
    const both = inBothModes(model, { stats, compare: false, rotate: true });
    const [simulated, integer] = both.map((result) => opsOf(result.model)) as [Ops, Ops];
    // qkv, attention out, MLP in and out
    const chain = ['ChannelCenter', 'HadamardTransform', 'FakeQuant', 'HadaNormQuantize'];
    expect(chain.map((op) => simulated[op] ?? 0)).to.deep.equal([8, 8, 4, 0]);
    expect(chain.map((op) => integer[op] ?? 0)).to.deep.equal([0, 0, 0, 4]);
    expect(integer.QuantizedMatMul).to.equal(simulated.QuantizedMatMul);
    // the mean's coefficients come out of the op, their scales go into the product
    expect([integer.MatMul ?? 0, integer._FusedMatMul ?? 0]).to.deep.equal([0, 0]);
    // GELU of the MLP, SiLU of the timestep's MLP and of the modulation
    expect([simulated.Tanh ?? 0, integer.Tanh ?? 0]).to.deep.equal([1, 0]);
    expect([simulated.Sigmoid ?? 0, integer.Sigmoid ?? 0]).to.deep.equal([2, 1]);
    for (const { model: made } of both) made.dispose();
  });

  it('the report says where integers are multiplied, and why not', async () => {
    const { model, stats } = await subject({});
    const executions = (options: RewriteOptions) => {
      const given = { stats, compare: false, ...options } as const;
      const { model: made, report } = rewriteGraph(model, given);
      made.dispose();
      const { execution, reason } = report.linears.find(({ role }) => role === 'mlp.in')!;
      return [execution, reason];
    };
    const own = backend !== 'tensorflow';
    const unpacked = 'packed weights are unpacked to float32 while the linear runs';
    const missing = ['simulated', `there is no integer kernel for ${backend}: ${unpacked}`];
    expect(executions({ rotate: true })).to.deep.equal(
      own ? ['integer', `codes by packed codes on ${backend}`] : missing,
    );
    expect(executions({ rotate: true, mode: 'simulate' })).to.deep.equal([
      'simulated',
      `mode is 'simulate': ${unpacked}`,
    ]);
    const odd = executions({ rotate: true, weights: { groupSize: 5 } });
    expect(odd[0]).to.equal(backend === 'cpu' ? 'integer' : 'simulated');
    if (backend === 'wasm') expect(odd[1]).to.include('need groups of a multiple of 4');
    const whole = executions({ rotate: true, activations: { granularity: 'perTensor' } });
    expect(whole).to.deep.equal([
      'simulated',
      `a range of the whole tensor gives no codes by token: ${unpacked}`,
    ]);
    const floats = executions({ rotate: true, activations: { bits: null } });
    expect(floats).to.deep.equal(['simulated', `activations are not quantized: ${unpacked}`]);
    const weights = executions({ rotate: true, weights: { bits: null } });
    expect(weights).to.deep.equal(['float', 'the weights are not quantized']);
  });

  it('a saved model computes the same, loaded by tfjs or by loadQuantized', async () => {
    const { model, stats } = await subject({});
    const { model: small } = rewriteGraph(model, { stats, compare: false });
    const exact = velocityOf(small, tinyBatch(9));
    let artifacts: tf.io.ModelArtifacts = {};
    const handler = tf.io.withSaveHandler(async (saved) => {
      artifacts = saved;
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
    });
    await saveQuantized(small, handler);
    small.dispose();
    await expectNoLeakAsync(async () => {
      for (const load of [tf.loadGraphModel, loadQuantized]) {
        const again = await load(tf.io.fromMemory(artifacts));
        expect(velocityOf(again, tinyBatch(9))).to.deep.equal(exact);
        again.dispose();
      }
    });
  });

  it('a rewritten model rewritten again stays as it is, which has to be asked for', async () => {
    const { model, stats } = await subject({});
    const { model: small } = rewriteGraph(model, { stats, compare: false });
    expect(() => rewriteGraph(small, { method: 'hadamard' })).to.throw(NothingToQuantizeError);
    const rules = [{ treatment: 'skip' }] as const;
    const { model: again, report } = rewriteGraph(small, { method: 'hadamard', rules });
    expect(report.linears.filter(({ treatment }) => treatment !== 'untouched')).to.deep.equal([]);
    expect(opsOf(again)).to.deep.equal(opsOf(small));
    again.dispose();
    small.dispose();
  });
});

type Ops = Record<string, number>;

/** The ops of a model, with how many nodes have each. */
function opsOf(model: tf.GraphModel): Ops {
  const counts: Ops = {};
  for (const { op } of graphOfModel('test', model).nodes.values())
    counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}

function inBothModes(model: tf.GraphModel, options: RewriteOptions): RewriteResult[] {
  return (['simulate', 'integer'] as const).map((mode) =>
    rewriteGraph(model, { ...options, mode }),
  );
}
