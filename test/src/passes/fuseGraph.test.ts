import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import {
  calibrate,
  fuseGraph,
  HadaNormError,
  InvalidArgumentError,
  quantizedFiles,
  type RewriteOptions,
  rewriteGraph,
} from '../../../src/index.js';
import { fuseNodes } from '../../../src/passes/fuseGraph.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { nodesOf, opsOf } from '../../harness/graphs/fused.js';
import { nonDits } from '../../harness/graphs/nonDits.js';
import { EXACT, loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { transformer } from '../../harness/graphs/transformer.js';
import { TRANSFORMER, varied } from '../../harness/graphs/zoo.js';
import { fromFiles } from '../../harness/run/files.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

describe('fuseGraph and its models', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  it('share weights: either may be disposed first', async () => {
    await expectNoLeakAsync(async () => {
      const graph = transformer(TRANSFORMER);
      const inputs = () => graph.inputs(2, 6, 1);
      for (const first of ['original', 'fused']) {
        const model = await loaded(graph.artifacts);
        const before = tf.memory().numBytes;
        const fused = fuseGraph(model);
        const exact = await outputsOf(model, inputs());
        const shared = Object.entries(fused.weights).filter(
          ([name, [tensor]]) => model.weights[name]?.[0]?.dataId === tensor!.dataId,
        );
        // what is new are the shapes of reshapes
        const added = Object.values(fused.weights).flat().length - shared.length;
        expect([shared.length > 40, added < 10, before > 0]).to.deep.equal([true, true, true]);
        (first === 'original' ? model : fused).dispose();
        const rest = first === 'original' ? fused : model;
        expect(relativeError(exact, await outputsOf(rest, inputs()))).to.be.below(1e-5);
        rest.dispose();
      }
    });
  });

  it('a graph with nothing to fuse is the same graph', () => {
    for (const { artifacts, title } of nonDits()) {
      // an MLP on tokens has norms
      if (title === 'an MLP on tokens') continue;
      const graph = graphFromArtifacts(artifacts);
      expect(fuseNodes(graph, new GraphBuilder(graph)), title).to.equal(graph);
    }
  });

  it('a fused model fused again stays as it is', async () => {
    await expectNoLeakAsync(async () => {
      const model = await loaded(transformer(TRANSFORMER).artifacts);
      const once = fuseGraph(model);
      const twice = fuseGraph(once);
      expect(nodesOf(twice).map(({ def }) => def)).to.deep.equal(
        nodesOf(once).map(({ def }) => def),
      );
      for (const each of [model, once, twice]) each.dispose();
    });
  });

  it('what the replaced nodes waited for, the new one waits for', async () => {
    const graph = transformer(TRANSFORMER);
    const topology = graph.artifacts.modelTopology as { node: { op: string; input: string[] }[] };
    const [latent] = Object.keys(graph.inputs(1, 6, 1));
    const node = topology.node.map((def) =>
      def.op === 'Softmax' ? { ...def, input: [...def.input, `^${latent}`] } : def,
    );
    await expectNoLeakAsync(async () => {
      const model = await loaded({ ...graph.artifacts, modelTopology: { ...topology, node } });
      const fused = fuseGraph(model);
      const attentions = nodesOf(fused).filter(({ op }) => op === 'ScaledDotProductAttention');
      expect(attentions.map(({ controls }) => controls)).to.deep.equal([[latent], [latent]]);
      model.dispose();
      fused.dispose();
    });
  });

  it('a model that was disposed gets a typed error, and nothing is left behind', async () => {
    await expectNoLeakAsync(async () => {
      const model = await loaded(transformer(TRANSFORMER).artifacts);
      model.dispose();
      expect(() => fuseGraph(model)).to.throw(
        HadaNormError,
        'the model was disposed. Load it again.',
      );
    });
  });

  it('anything but a graph model is refused', () => {
    for (const wrong of [null, {}, 'model']) {
      expect(() => fuseGraph(wrong as unknown as tf.GraphModel)).to.throw(InvalidArgumentError);
    }
  });
});

describeOnBackends('Option fuse of rewriteGraph', () => {
  const cases: readonly [RewriteOptions, boolean][] = [
    [{ mode: 'simulate' }, false],
    [{ mode: 'integer' }, true],
    [{ fuse: true }, true],
    [{ mode: 'integer', fuse: false }, false],
  ];
  for (const [options, expected] of cases) {
    it(`${JSON.stringify(options)} ${expected ? 'fuses' : 'does not fuse'}`, async () => {
      await expectNoLeakAsync(async () => {
        const graph = varied({ modulation: 'single' });
        const model = await loaded(graph.artifacts);
        const batches = [graph.inputs(3, 6, 1)];
        const stats = await calibrate(model, batches, { hessian: false, disposeBatches: true });
        const { model: same } = rewriteGraph(model, { ...EXACT, ...options, stats });
        const { Softmax = 0, ScaledDotProductAttention = 0 } = opsOf(same);
        expect([Softmax, ScaledDotProductAttention]).to.deep.equal(expected ? [0, 2] : [2, 0]);
        const exact = await outputsOf(model, graph.inputs(2, 6, 9));
        expect(relativeError(exact, await outputsOf(same, graph.inputs(2, 6, 9)))).to.be.below(
          1e-4,
        );
        model.dispose();
        same.dispose();
      });
    });
  }

  it('a saved model has the fused ops, and gives the same values to the bit', async () => {
    await expectNoLeakAsync(async () => {
      const graph = varied({});
      const model = await loaded(graph.artifacts);
      const { model: small } = rewriteGraph(model, {
        method: 'rtn',
        mode: 'integer',
        compare: false,
      });
      const values = await outputsOf(small, graph.inputs(2, 6, 9));
      const files = await quantizedFiles(small);
      model.dispose();
      small.dispose();
      const again = await tf.loadGraphModel(fromFiles(files));
      expect(opsOf(again)).to.include({ ScaledDotProductAttention: 2, ModulatedLayerNorm: 5 });
      expect(await outputsOf(again, graph.inputs(2, 6, 9))).to.deep.equal(values);
      again.dispose();
    });
  });
});
