import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { HadamardSizeError, rewriteGraph } from '../../../src/index.js';
import { EXACT, loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { varied } from '../../harness/graphs/zoo.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import '../../harness/backends/backends.js';

/** An MLP whose hidden width, 2 · 23, is no size of a Hadamard matrix. */
const odd = () => varied({ block: { mlp: { form: 'plain', activation: 'silu', hidden: 46 } } });

describe('A width without a Hadamard matrix', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  it('is an error that names a blockSize', async () => {
    const model = await loaded(odd().artifacts);
    const before = tf.memory().numTensors;
    expect(() => rewriteGraph(model, { ...EXACT, method: 'hadamard' }))
      .to.throw(HadamardSizeError)
      .with.property('message')
      .that.matches(/size 46 .*blockSize 2\b/);
    expect(tf.memory().numTensors, 'tensors left behind').to.equal(before);
    model.dispose();
  });

  it('is rewritten in blocks where a rule says so', async () => {
    await expectNoLeakAsync(async () => {
      const graph = odd();
      const model = await loaded(graph.artifacts);
      const rules = [{ role: 'mlp.out', blockSize: 2 }] as const;
      const { model: same } = rewriteGraph(model, { ...EXACT, method: 'hadamard', rules });
      const [expected, values] = [
        await outputsOf(model, graph.inputs(2, 6, 1)),
        await outputsOf(same, graph.inputs(2, 6, 1)),
      ];
      expect(relativeError(expected, values)).to.be.below(1e-5);
      model.dispose();
      same.dispose();
    });
  });
});
