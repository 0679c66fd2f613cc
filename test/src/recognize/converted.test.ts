import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { graphOfModel } from '../../../src/graph/model.js';
import { describeGraph } from '../../../src/index.js';
import { analyze } from '../../../src/recognize/analysis.js';
import { inNormalForm } from '../../../src/recognize/normalize/normalize.js';
import { convertedModel, madeLinears } from '../../harness/models/converted.js';
import { CONVERTED, STORED } from '../../harness/models/convertedCases.js';

/** Roles, shapes and weights of all linears, in no order. */
function found(model: tf.GraphModel): string[] {
  return inNormalForm('test', graphOfModel('test', model), (graph) =>
    analyze(graph)
      .linears.map(({ role, linear: { d, n, matrix } }) => textOf(role, [d, n], normOf(matrix())))
      .sort(),
  );
}

function normOf(matrix: Float32Array): number {
  return Math.sqrt(matrix.reduce((sum, w) => sum + w * w, 0));
}

function textOf(role: string, shape: readonly number[], norm: number): string {
  return `${role} [${shape}] ${norm.toPrecision(6)}`;
}

describe('Recognition of what other tools made', () => {
  before(() => tf.setBackend('cpu'));

  for (const name of CONVERTED) {
    it(`${name}: every linear, by its weights, has its role, and there is no other`, async () => {
      const model = await convertedModel(name, 'float32');
      const made = madeLinears(name);
      const wanted = made.map(({ role, shape, norm }) => textOf(role, shape, norm)).sort();
      expect(found(model)).to.deep.equal(wanted);
      expect(describeGraph(model).others).to.deep.equal([]);
      model.dispose();
    });

    it(`${name}: is seen alike however its weights are stored`, async () => {
      const texts: string[] = [];
      for (const stored of STORED) {
        const model = await convertedModel(name, stored);
        texts.push(`${describeGraph(model)}`);
        model.dispose();
      }
      expect(new Set(texts).size, texts.join('\n')).to.equal(1);
    });
  }

  it('which tokens of the text count is known from the mask of the cross attention', async () => {
    const model = await convertedModel('tensorflow', 'float32');
    const masked = describeGraph(model).linears.filter(({ tokenMask }) => tokenMask !== null);
    const roles = masked.map(({ role }) => role).sort();
    expect(roles).to.deep.equal([
      ...['crossAttention.kv', 'crossAttention.kv', 'embedding', 'embedding'],
    ]);
    model.dispose();
  });
});
