import { expect } from 'chai';
import {
  describeGraph,
  NothingToQuantizeError,
  type Rule,
  rewriteGraph,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { nonDits } from '../../harness/graphs/nonDits.js';
import { loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { varied } from '../../harness/graphs/zoo.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

describeOnBackends('A graph with no DiT in it', () => {
  for (const { title, artifacts, inputs, controlFlow } of nonDits()) {
    it(`comes back as it was where it is left alone: ${title}`, async () => {
      await expectNoLeakAsync(async () => {
        const model = await loaded(artifacts);
        const { model: same, report } = rewriteGraph(model, { rules: [{ treatment: 'skip' }] });
        const loader = same as unknown as { artifacts: typeof artifacts };
        expect(loader.artifacts.modelTopology).to.deep.equal(artifacts.modelTopology);
        expect(loader.artifacts.weightSpecs).to.deep.equal(artifacts.weightSpecs);
        expect(report.linears.every(({ treatment }) => treatment === 'untouched')).to.equal(true);
        const how = controlFlow ? 'executeAsync' : 'execute';
        const expected = title.includes('empty') ? [] : await outputsOf(model, inputs(), how);
        model.dispose();
        const values = title.includes('empty') ? [] : await outputsOf(same, inputs(), how);
        same.dispose();
        expect(values).to.deep.equal(expected);
      });
    });
  }
});

describeOnBackends('A rewritten model', () => {
  const { warn } = console;
  before(() => {
    // tfjs remarks that executeAsync is not needed here
    console.warn = () => {};
  });
  after(() => {
    console.warn = warn;
  });

  for (const how of ['execute', 'predict', 'executeAsync'] as const) {
    it(`runs under ${how}, also when the original is disposed`, async () => {
      await expectNoLeakAsync(async () => {
        const graph = varied({});
        const model = await loaded(graph.artifacts);
        const expected = await outputsOf(model, graph.inputs(2, 6, 1), how);
        const { model: small } = rewriteGraph(model, {
          method: 'hadamard',
          weights: { bits: 8 },
        });
        model.dispose();
        const values = await outputsOf(small, graph.inputs(2, 6, 1), how);
        small.dispose();
        expect(relativeError(expected, values)).to.be.below(0.05);
      });
    });
  }

  it('leaves a linear that it cannot place alone unless a rule includes it', async () => {
    await expectNoLeakAsync(async () => {
      const [graph] = nonDits();
      const model = await loaded(graph!.artifacts);
      const treatments = (rules: Rule[]) => {
        const { model: small, report } = rewriteGraph(model, { method: 'rtn', rules });
        small.dispose();
        return report.linears.map(({ treatment }) => treatment);
      };
      const [first] = describeGraph(model).linears;
      expect(describeGraph(model).linears.map(({ role }) => role)).to.deep.equal([
        'other',
        'other',
      ]);
      expect(() => treatments([])).to.throw(NothingToQuantizeError);
      expect(treatments([{ match: first!.name, treatment: 'transform' }])).to.deep.equal([
        'transformed',
        'untouched',
      ]);
      expect(treatments([{ treatment: 'transform' }])).to.deep.equal([
        'transformed',
        'transformed',
      ]);
      model.dispose();
    });
  });
});
