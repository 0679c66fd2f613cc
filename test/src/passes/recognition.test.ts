import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { calibrate, describeGraph, fuseGraph, rewriteGraph } from '../../../src/index.js';
import { opsOf } from '../../harness/graphs/fused.js';
import { loaded, outputsOf, relativeError } from '../../harness/graphs/run.js';
import { transformer } from '../../harness/graphs/transformer.js';
import { TRANSFORMER, zoo } from '../../harness/graphs/zoo.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

describe('A fused graph', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  for (const { title, build } of zoo()) {
    it(`its linears have the roles that they had: ${title}`, async () => {
      await expectNoLeakAsync(async () => {
        const { artifacts } = build();
        const model = await loaded(artifacts);
        const fused = fuseGraph(model);
        const roles = (of: tf.GraphModel) =>
          describeGraph(of).linears.map(({ role, shape, tokens }) => `${role} ${shape} ${tokens}`);
        expect(roles(fused).sort()).to.deep.equal(roles(model).sort());
        model.dispose();
        fused.dispose();
      });
    });
  }

  it('is calibrated and quantized as the original is', async () => {
    await expectNoLeakAsync(async () => {
      const graph = transformer(TRANSFORMER);
      const model = await loaded(graph.artifacts);
      const fused = fuseGraph(model);
      const outputs: Float32Array[][] = [];
      for (const each of [model, fused]) {
        const batches = [graph.inputs(3, 6, 1)];
        const stats = await calibrate(each, batches, { hessian: false, disposeBatches: true });
        const { model: small } = rewriteGraph(each, { stats, mode: 'integer', compare: false });
        expect(opsOf(small).QuantizedMatMul).to.equal(graph.expected.size);
        outputs.push(await outputsOf(small, graph.inputs(2, 6, 9)));
        small.dispose();
      }
      // not the same to the bit: the statistics differ by rounding
      expect(relativeError(outputs[0]!, outputs[1]!)).to.be.below(0.02);
      model.dispose();
      fused.dispose();
    });
  });
});
