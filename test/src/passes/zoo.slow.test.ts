import { expect } from 'chai';
import { fuseGraph } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { allOutputs, exactOutputs, nodesOf, opsOf, rootsIn } from '../../harness/graphs/fused.js';
import { type NonDit, nonDits } from '../../harness/graphs/nonDits.js';
import { loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { hasSinesOfGpu, SINE_BOUND } from '../../harness/graphs/sines.js';
import { zoo } from '../../harness/graphs/zoo.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

/** Rounding of half a dozen float32 layers. */
const BOUND = 1e-5;

describeOnBackends('fuseGraph', (backend) => {
  for (const entry of zoo()) {
    const { title, build, controlFlow } = entry;
    // a GPU's sines are off before anything is fused: there the original runs on it as well
    const ownSines = hasSinesOfGpu(entry, backend);
    it(`gives the same values: ${title}`, async () => {
      await expectNoLeakAsync(async () => {
        const graph = build();
        const how = controlFlow ? 'executeAsync' : 'execute';
        const exact = await exactOutputs(graph, how);
        const model = await loaded(graph.artifacts);
        const own = ownSines ? await allOutputs(graph, model, how) : exact;
        const fused = fuseGraph(model);
        const before = opsOf(model);
        const norms = rootsIn(model);
        const names = nodesOf(model).map(({ name }) => name);
        model.dispose();
        const values = await allOutputs(graph, fused, how);
        const ops = opsOf(fused);
        const after = new Set(nodesOf(fused).map(({ name }) => name));
        fused.dispose();
        values.forEach((outputs, i) => {
          expect(relativeError(own[i]!, outputs)).to.be.below(BOUND);
          if (ownSines) expect(relativeError(exact[i]!, outputs)).to.be.below(SINE_BOUND);
        });
        expect(ops.ScaledDotProductAttention).to.equal(before.Softmax);
        expect(ops.ModulatedLayerNorm).to.equal(norms);
        expect(ops).to.not.include.any.keys('Softmax', 'BatchMatMulV2', 'Einsum', 'Rsqrt');
        // linears go by the names that they had
        for (const product of graph.expected.keys()) expect(names).to.include(product);
        for (const product of graph.expected.keys()) expect(after).to.include(product);
      });
    });
  }

  // an empty graph has no outputs to ask for
  for (const { title, artifacts, inputs, controlFlow } of nonDits().filter(hasOutputs)) {
    it(`leaves the values of ${title} as they are`, async () => {
      await expectNoLeakAsync(async () => {
        const how = controlFlow ? 'executeAsync' : 'execute';
        const model = await loaded(artifacts);
        const fused = fuseGraph(model);
        const exact = await outputsOf(model, inputs(), how);
        const values = await outputsOf(fused, inputs(), how);
        expect(opsOf(fused)).to.not.include.keys('ScaledDotProductAttention');
        model.dispose();
        fused.dispose();
        values.forEach((output, i) => {
          expect(relativeError([exact[i]!], [output])).to.be.below(BOUND);
        });
      });
    });
  }
});

function hasOutputs({ title }: NonDit): boolean {
  return title !== 'an empty graph';
}
