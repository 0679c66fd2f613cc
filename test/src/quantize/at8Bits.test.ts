import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { calibrate, type RewriteOptions, rewriteGraph } from '../../../src/index.js';
import { tinyBatch, tinyDit } from '../../harness/models/tinyDit.js';

describe('What 8 bits would give', () => {
  before(() => tf.setBackend('cpu'));

  it('is told of a large linear by some of its outputs, and is what 8 bits give', async () => {
    const model = await tinyDit({ hiddenSize: 512, mlpRatio: 4, depth: 1 });
    const batch = tinyBatch(1);
    const keep = { samples: 8, tokensPerSample: 16, hessian: false };
    const stats = await calibrate(model, [batch], keep);
    const of = (bits: number) => {
      const rules: RewriteOptions['rules'] = [
        { treatment: 'skip' },
        { role: 'mlp.in', treatment: 'transform', weights: { bits } },
        { role: 'attention.out', treatment: 'transform', weights: { bits } },
      ];
      const options = { method: 'hadamard', compare: false, rules } as const;
      const { model: small, report } = rewriteGraph(model, { ...options, stats });
      small.dispose();
      return report.linears.filter(({ at8Bits }) => at8Bits !== null);
    };
    const [coarse, fine] = [of(4), of(8)];
    expect(coarse.map(({ role }) => role)).to.have.members(['mlp.in', 'attention.out']);
    coarse.forEach(({ role, sqnr, at8Bits }, i) => {
      const { sqnr: real, bytes } = fine[i]!;
      expect(at8Bits!.bytes).to.equal(bytes.after);
      expect(real!.output).to.be.above(sqnr!.output + 5);
      // the smaller one is measured whole
      const bound = role === 'mlp.in' ? 0.15 : 1e-9;
      expect(at8Bits!.output).to.be.closeTo(real!.output, bound);
    });
    tf.dispose(batch);
    model.dispose();
  });
});
