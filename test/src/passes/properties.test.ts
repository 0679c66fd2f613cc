import { expect } from 'chai';
import fc from 'fast-check';
import { graphOfModel } from '../../../src/graph/model.js';
import { verifyGraph } from '../../../src/graph/verify.js';
import { calibrate, fuseGraph, rewriteGraph } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { allOutputs, exactOutputs, opsOf } from '../../harness/graphs/fused.js';
import { transformers } from '../../harness/graphs/random.js';
import { EXACT, loaded, relativeError } from '../../harness/graphs/run.js';
import { transformer } from '../../harness/graphs/transformer.js';
import { WASM_LACKS } from '../../harness/graphs/zoo.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

/** Graphs to try: the cpu backend is the quickest on small ones. */
const RUNS: Readonly<Record<string, number>> = { cpu: 20 };

describeOnBackends('Any graph of a transformer, fused', (backend) => {
  const numRuns = RUNS[backend] ?? 8;

  it('gives the same values, from one op for each attention', async () => {
    const property = fc.asyncProperty(transformers, async (spec) => {
      await expectNoLeakAsync(async () => {
        const graph = transformer(spec);
        const exact = await exactOutputs(graph, 'execute');
        const model = await loaded(graph.artifacts);
        const fused = fuseGraph(model);
        verifyGraph(graphOfModel('test', fused), 'test');
        expect(opsOf(fused).ScaledDotProductAttention).to.equal(opsOf(model).Softmax);
        expect(opsOf(fused)).to.not.include.any.keys('Softmax', 'Einsum', 'BatchMatMulV2');
        model.dispose();
        const values = await allOutputs(graph, fused, 'execute');
        values.forEach((outputs, i) => {
          expect(relativeError(exact[i]!, outputs)).to.be.below(1e-4);
        });
        fused.dispose();
      });
    });
    await fc.assert(property, { seed: 5, numRuns });
  });

  it('gives the same values when its linears are rewritten too, in either mode', async () => {
    // tfjs itself runs the original here, to calibrate it
    const specs = transformers.filter(
      ({ blocks }) => backend !== 'wasm' || blocks.every(({ linear }) => !(linear in WASM_LACKS)),
    );
    const modes = fc.constantFrom('simulate' as const, 'integer' as const);
    const property = fc.asyncProperty(specs, modes, async (spec, mode) => {
      await expectNoLeakAsync(async () => {
        const graph = transformer(spec);
        const exact = await exactOutputs(graph, 'execute');
        const model = await loaded(graph.artifacts);
        const batches = [graph.inputs(3, graph.tokens[0]!, 1)];
        const stats = await calibrate(model, batches, { hessian: false, disposeBatches: true });
        const options = { ...EXACT, stats, mode, fuse: true };
        const { model: fused } = rewriteGraph(model, options);
        expect(opsOf(fused)).to.not.include.any.keys('Softmax', 'Einsum');
        model.dispose();
        const values = await allOutputs(graph, fused, 'execute');
        values.forEach((outputs, i) => {
          expect(relativeError(exact[i]!, outputs)).to.be.below(1e-4);
        });
        fused.dispose();
      });
    });
    await fc.assert(property, { seed: 6, numRuns: Math.ceil(numRuns / 2) });
  });
});
