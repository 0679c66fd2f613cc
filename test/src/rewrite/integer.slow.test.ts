import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import fc from 'fast-check';
import { calibrate, type RewriteOptions, rewriteGraph } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import type { ZooGraph } from '../../harness/graphs/kit.js';
import { transformers } from '../../harness/graphs/random.js';
import { EXACT, loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { transformer } from '../../harness/graphs/transformer.js';
import { WASM_LACKS, zoo } from '../../harness/graphs/zoo.js';
import { compareModes } from '../../harness/models/integerMode.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

/** In turn over the zoo. */
const SETTINGS: readonly RewriteOptions[] = [
  {},
  { weights: { bits: 8 } },
  { activations: { bits: 4, groupSize: 8 } },
  { method: 'rtn', activations: { bits: 6, symmetric: true } },
  { method: 'hadamard', weights: { bits: 3, granularity: 'perChannel' } },
];

/** Graphs of random transformers to try. */
const RUNS: Readonly<Record<string, number>> = { cpu: 20 };

async function calibrated(graph: ZooGraph) {
  const model = await loaded(graph.artifacts);
  const batches = [1, 2].map((seed) => graph.inputs(3, graph.tokens[0]!, seed));
  return { model, stats: await calibrate(model, batches, { disposeBatches: true }) };
}

describeOnBackends("mode: 'integer' on any graph", (backend) => {
  zoo().forEach(({ title, build, notOnWasm, controlFlow }, i) => {
    if (notOnWasm !== null && backend === 'wasm') {
      it.skip(`SKIPPED: ${notOnWasm}: ${title}`);
      return;
    }
    const options = SETTINGS[i % SETTINGS.length]!;

    it(`the codes and outputs of simulate mode, ${JSON.stringify(options)}: ${title}`, async () => {
      await expectNoLeakAsync(async () => {
        const graph = build();
        const { model, stats } = await calibrated(graph);
        const [simulated, integer] = (['simulate', 'integer'] as const).map(
          (mode) => rewriteGraph(model, { stats, compare: false, mode, ...options }).model,
        ) as [tf.GraphModel, tf.GraphModel];
        const how = controlFlow ? 'executeAsync' : 'execute';
        for (const tokens of graph.tokens) {
          const inputs = graph.inputs(2, tokens, 7);
          // a linear behind control flow cannot be run alone
          for (const row of controlFlow ? [] : compareModes(model, simulated, integer, inputs)) {
            expect(row.mismatches, `codes of ${row.name} that differ`).to.equal(0);
            expect(row.error, `output of ${row.name}`).to.be.below(1e-5);
          }
          tf.dispose(inputs);
          const outputs = [];
          for (const each of [model, simulated, integer]) {
            outputs.push(await outputsOf(each, graph.inputs(2, tokens, 7), how));
          }
          const [exact, one, other] = outputs as [Float32Array[], Float32Array[], Float32Array[]];
          // where rounding tips a code of a later layer, noise of quantization takes its place
          const bound = 1e-4 + 0.5 * relativeError(exact, one);
          expect(relativeError(one, other)).to.be.below(bound);
        }
        for (const each of [model, simulated, integer]) each.dispose();
      });
    });
  });

  it('activations that go into products change no value', async () => {
    const specs = transformers.filter(
      ({ blocks }) => backend !== 'wasm' || blocks.every(({ linear }) => !(linear in WASM_LACKS)),
    );
    const property = fc.asyncProperty(specs, async (spec) => {
      await expectNoLeakAsync(async () => {
        const graph = transformer(spec);
        const { model, stats } = await calibrated(graph);
        const { model: same } = rewriteGraph(model, { ...EXACT, stats, mode: 'integer' });
        for (const tokens of graph.tokens) {
          const exact = await outputsOf(model, graph.inputs(2, tokens, 9));
          const values = await outputsOf(same, graph.inputs(2, tokens, 9));
          expect(relativeError(exact, values)).to.be.below(1e-4);
        }
        model.dispose();
        same.dispose();
      });
    });
    await fc.assert(property, { seed: 5, numRuns: RUNS[backend] ?? 10 });
  });
});
