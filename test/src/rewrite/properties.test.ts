import type * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import fc from 'fast-check';
import { graphOfModel } from '../../../src/graph/model.js';
import { verifyGraph } from '../../../src/graph/verify.js';
import {
  calibrate,
  type Method,
  NothingToQuantizeError,
  rewriteGraph,
} from '../../../src/index.js';
import { analyze } from '../../../src/recognize/analysis.js';
import { settingsFor } from '../../../src/rewrite/settings.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import type { ZooGraph } from '../../harness/graphs/kit.js';
import { transformers, withoutAttention } from '../../harness/graphs/random.js';
import { EXACT, loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { type TransformerSpec, transformer } from '../../harness/graphs/transformer.js';
import { WASM_LACKS } from '../../harness/graphs/zoo.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

const METHODS: readonly Method[] = ['hadanorm', 'hadamard', 'smoothquant', 'rtn', 'centered'];

/** Graphs to try: the cpu backend is the quickest on small ones. */
const RUNS: Readonly<Record<string, number>> = { cpu: 30 };

async function sameValues(graph: ZooGraph, model: tf.GraphModel, method: Method): Promise<void> {
  const batches = [1, 2].map((seed) => graph.inputs(3, graph.tokens[0]!, seed));
  const options = { hessian: false, disposeBatches: true };
  const stats = await calibrate(model, batches, options);
  const { model: same } = rewriteGraph(model, { ...EXACT, stats, method });
  checkStructure(graph, model, same, method);
  for (const tokens of graph.tokens) {
    const exact = await outputsOf(model, graph.inputs(2, tokens, 9));
    const values = await outputsOf(same, graph.inputs(2, tokens, 9));
    expect(relativeError(exact, values)).to.be.below(1e-4);
  }
  same.dispose();
}

/** Every linear was replaced, and those that share an input share its transform. */
function checkStructure(
  graph: ZooGraph,
  model: tf.GraphModel,
  rewritten: tf.GraphModel,
  method: Method,
): void {
  const before = analyze(graphOfModel('test', model)).linears;
  const after = graphOfModel('test', rewritten);
  verifyGraph(after, 'test');
  const count = (op: string) => [...after.nodes.values()].filter((node) => node.op === op).length;
  expect(count('QuantizedMatMul')).to.equal(graph.expected.size);
  const centered = before.filter(({ linear, role, site }) => {
    const { treatment } = settingsFor({}, { name: linear.name, role });
    return treatment === 'transform' && site.tokens !== 'none';
  });
  const sites = new Set(centered.map(({ key }) => key)).size;
  // a site is centered by one node, its static mean taken off the dynamic one by another
  const wanted = method === 'hadanorm' || method === 'centered' ? 2 * sites : 0;
  expect(count('ChannelCenter'), `ChannelCenter nodes for ${sites} sites`).to.equal(wanted);
}

function runsHere(backend: string, { blocks }: TransformerSpec): boolean {
  return backend !== 'wasm' || blocks.every(({ linear }) => !(linear in WASM_LACKS));
}

describeOnBackends('Any graph of a transformer', (backend) => {
  const numRuns = RUNS[backend] ?? 15;

  it('gives the same values when its linears are rewritten without quantization', async () => {
    const specs = transformers.filter((spec) => runsHere(backend, spec));
    const property = fc.asyncProperty(specs, fc.constantFrom(...METHODS), async (spec, method) => {
      await expectNoLeakAsync(async () => {
        const graph = transformer(spec);
        const model = await loaded(graph.artifacts);
        await sameValues(graph, model, method);
        model.dispose();
      });
    });
    await fc.assert(property, { seed: 3, numRuns });
  });

  it('comes back untouched when its attention is left out, which is an error unasked', async () => {
    const specs = withoutAttention.filter((spec) => runsHere(backend, spec));
    const property = fc.asyncProperty(specs, async (spec) => {
      await expectNoLeakAsync(async () => {
        const graph = transformer(spec);
        const model = await loaded(graph.artifacts);
        expect(() => rewriteGraph(model, {})).to.throw(NothingToQuantizeError, 'no attention');
        const { model: same } = rewriteGraph(model, { rules: [{ treatment: 'skip' }] });
        const [tokens] = graph.tokens;
        const exact = await outputsOf(model, graph.inputs(2, tokens!, 9));
        const values = await outputsOf(same, graph.inputs(2, tokens!, 9));
        const defs = [...graphOfModel('test', same).nodes.values()].map(({ def }) => def);
        expect(defs).to.deep.equal((graph.artifacts.modelTopology as { node: object[] }).node);
        expect(values).to.deep.equal(exact);
        model.dispose();
        same.dispose();
      });
    });
    await fc.assert(property, { seed: 4, numRuns });
  });
});
