import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  type CalibrationStats,
  calibrate,
  describeGraph,
  evaluateLinears,
  fuseGraph,
  rewriteGraph,
} from '../../../../src/index.js';
import { describeOnBackends } from '../../../harness/backends/onBackends.js';
import { EXACT, loaded, outputsOf, relativeError } from '../../../harness/graphs/run.js';
import {
  BIAS_FORMS,
  PRODUCT_FORMS,
  SOFTMAX_FORMS,
  type SpelledSpec,
  spelledBlock,
  spelledRoles,
} from '../../../harness/graphs/spelled.js';
import { sitesFurthest } from '../../../harness/models/statsAcross.js';
import { expectNoLeakAsync } from '../../../harness/run/memory.js';

const PLAIN: SpelledSpec = { products: 'plain', softmax: 'op', bias: 'vector' };

const SPECS: readonly SpelledSpec[] = [
  ...PRODUCT_FORMS.map((products) => ({ ...PLAIN, products })),
  ...SOFTMAX_FORMS.slice(1).map((softmax) => ({ ...PLAIN, softmax })),
  ...BIAS_FORMS.slice(1).map((bias) => ({ ...PLAIN, bias })),
  { products: 'heads', softmax: 'jax', bias: 'row' },
];

const titleOf = (spec: SpelledSpec) => Object.values(spec).join(', ');

/** Values on cpu, where tfjs has all of it; an ellipsis it has nowhere. */
interface Wanted {
  readonly outputs: readonly Float32Array[];
  readonly stats: CalibrationStats;
}

describe('Normal form', () => {
  const wanted = new Map<string, Wanted>();

  before(async () => {
    await tf.setBackend('cpu');
    for (const spec of SPECS) {
      const { artifacts, inputs } = spelledBlock(spec);
      const model = await loaded(artifacts);
      const runs = spec.products === 'ellipsis' ? fuseGraph(model) : model;
      const outputs = await outputsOf(runs, inputs(3, 5, 1));
      const stats = await calibrate(model, batches(spec), { disposeBatches: true });
      wanted.set(titleOf(spec), { outputs, stats });
      if (runs !== model) runs.dispose();
      model.dispose();
    }
  });

  for (const spec of SPECS) {
    const { artifacts } = spelledBlock(spec);
    it(`finds the linears of a block: ${titleOf(spec)}`, async () => {
      const model = await loaded(artifacts);
      const { linears } = describeGraph(model);
      expect(linears.map(({ role }) => role)).to.have.members(spelledRoles(spec));
      const named = new Set(namesOf(artifacts));
      expect(linears.every(({ name }) => named.has(name))).to.equal(true);
      model.dispose();
    });
  }

  it('with an ellipsis computes what it does spelled out', () => {
    const [spelled, other] = ['ellipsis', 'plain'].map(
      (products) => wanted.get(titleOf({ ...PLAIN, products } as SpelledSpec))!.outputs,
    );
    // the weights are the same numbers, in the same order
    expect(relativeError(other!, spelled!)).to.be.at.most(1e-6);
  });

  describeOnBackends('of a block', () => {
    for (const spec of SPECS) {
      const title = titleOf(spec);
      const { artifacts, inputs } = spelledBlock(spec);

      it(`gives the same values, fused and rewritten in either mode: ${title}`, async () => {
        await expectNoLeakAsync(async () => {
          const model = await loaded(artifacts);
          const stats = await calibrate(model, batches(spec), { disposeBatches: true });
          const models = [
            fuseGraph(model),
            rewriteGraph(model, { ...EXACT, stats, mode: 'integer' }).model,
            rewriteGraph(model, { ...EXACT, stats, mode: 'simulate' }).model,
          ];
          for (const made of models) {
            const values = await outputsOf(made, inputs(3, 5, 1));
            expect(relativeError(wanted.get(title)!.outputs, values)).to.be.at.most(2e-6);
          }
          const some = batches(spec);
          const each = await evaluateLinears(model, models[1]!, some);
          expect(each.length).to.equal(spelledRoles(spec).length);
          expect(Math.min(...each.map(({ output }) => output))).to.be.at.least(100);
          tf.dispose(some);
          for (const made of [...models, model]) made.dispose();
        });
      });

      it(`gives the statistics that cpu gives: ${title}`, async () => {
        const model = await loaded(artifacts);
        const stats = await calibrate(model, batches(spec), { disposeBatches: true });
        expect(sitesFurthest(stats, wanted.get(title)!.stats)).to.be.at.most(1e-5);
        model.dispose();
      });
    }
  });
});

function batches(spec: SpelledSpec): Record<string, tf.Tensor>[] {
  const { inputs } = spelledBlock(spec);
  return [1, 2, 3].map((seed) => inputs(2, 5, seed));
}

function namesOf({ modelTopology }: tf.io.ModelArtifacts): string[] {
  return (modelTopology as { node: { name: string }[] }).node.map(({ name }) => name);
}
