import type * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  type CalibrationStats,
  calibrate,
  type RewriteOptions,
  rewriteGraph,
} from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import type { ZooGraph } from '../../harness/graphs/kit.js';
import { EXACT, loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { type ZooEntry, zoo } from '../../harness/graphs/zoo.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

/** All on cpu; on the other backends the first two, which need most ops. */
const HADANORM = 'hadanorm' as const;
const OTHERS = ['smoothquant', 'hadamard', 'rtn', 'centered'] as const;

/** Rounding of half a dozen float32 layers. */
const BOUND = 1e-4;

/** What the tests of a model on a backend share. */
interface Known {
  stats?: CalibrationStats;
  /** What the original gives, by the inputs. */
  readonly exact: Map<string, Awaited<ReturnType<typeof outputsOf>>>;
}

/** A model of the zoo, calibrated on two batches. */
async function prepared(entry: ZooEntry, known: Known): Promise<Prepared> {
  const graph = entry.build();
  const model = await loaded(graph.artifacts);
  const batches = () => [1, 2].map((seed) => graph.inputs(4, graph.tokens[0]!, seed));
  known.stats ??= await calibrate(model, batches(), { disposeBatches: true });
  const how = entry.controlFlow ? 'executeAsync' : 'execute';
  return { graph, model, stats: known.stats, exact: known.exact, how };
}

interface Prepared extends Required<Known> {
  readonly graph: ZooGraph;
  readonly model: tf.GraphModel;
  readonly how: 'execute' | 'executeAsync';
}

/** The largest relative error for several batch sizes and token counts. */
async function worst(given: Prepared, small: tf.GraphModel): Promise<number> {
  const { graph, model, how, exact } = given;
  let max = 0;
  for (const tokens of graph.tokens) {
    for (const batch of [1, 3]) {
      const seed = 100 + batch;
      const inputs = () => graph.inputs(batch, tokens, seed);
      const key = `${batch} × ${tokens}`;
      const wanted = exact.get(key) ?? (await outputsOf(model, inputs(), how));
      exact.set(key, wanted);
      max = Math.max(max, relativeError(wanted, await outputsOf(small, inputs(), how)));
    }
  }
  return max;
}

describeOnBackends('rewriteGraph', (backend) => {
  zoo().forEach((entry, i) => {
    const { title, notOnWasm } = entry;
    if (notOnWasm !== null && backend === 'wasm') {
      it.skip(`SKIPPED: ${notOnWasm}: ${title}`);
      return;
    }

    const known: Known = { exact: new Map() };
    // every graph with HadaNorm; on the cpu backend with one of the others in turn
    const methods = backend === 'cpu' ? [HADANORM, OTHERS[i % OTHERS.length]!] : [HADANORM];

    it(`without quantization a method changes no value: ${title}`, async () => {
      await expectNoLeakAsync(async () => {
        const given = await prepared(entry, known);
        const errors: Record<string, number> = {};
        for (const method of methods) {
          const options: RewriteOptions = { ...EXACT, stats: given.stats, method };
          const { model: same } = rewriteGraph(given.model, options);
          errors[method] = await worst(given, same);
          same.dispose();
        }
        given.model.dispose();
        expect(
          Object.entries(errors).filter(([, error]) => !(error <= BOUND)),
          'methods above the bound',
        ).to.deep.equal([]);
      });
    });

    it(`4-bit weights, 8-bit activations come within 10 dB: ${title}`, async () => {
      await expectNoLeakAsync(async () => {
        const given = await prepared(entry, known);
        const { model: small } = rewriteGraph(given.model, { stats: given.stats, compare: false });
        const error = await worst(given, small);
        // either model may go first
        given.model.dispose();
        const { graph, how } = given;
        const again = await outputsOf(small, graph.inputs(2, graph.tokens[0]!, 5), how);
        small.dispose();
        expect(again.every((values) => values.every(Number.isFinite))).to.equal(true);
        expect(-20 * Math.log10(error), 'SQNR in dB').to.be.above(10);
      });
    });
  });
});
