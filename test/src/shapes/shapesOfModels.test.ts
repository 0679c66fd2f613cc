import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { graphOfModel } from '../../../src/graph/model.js';
import { shapeInference } from '../../../src/shapes/shapes.js';
import { loaded } from '../../harness/graphs/run.js';
import { zoo } from '../../harness/graphs/zoo.js';
import '../../harness/backends/backends.js';

/** Ops whose value is no shape's business, or that cannot be asked for. */
const NOT_ASKED = new Set(['Const', 'Placeholder']);

describe('Shape inference', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  for (const { title, build, controlFlow } of zoo()) {
    if (controlFlow) continue;
    it(`agrees with what a run gives, and knows every rank: ${title}`, async () => {
      const zooGraph = build();
      const model = await loaded(zooGraph.artifacts);
      const graph = graphOfModel('test', model);
      const shapeOf = shapeInference(graph);
      const names = [...graph.nodes.values()]
        .filter(({ op }) => !NOT_ASKED.has(op))
        .map(({ name }) => name);
      const inputs = zooGraph.inputs(2, zooGraph.tokens[0]!, 1);
      const tensors = model.execute(inputs, names) as tf.Tensor[];
      names.forEach((name, i) => {
        const inferred = shapeOf(name);
        expect(inferred, name).not.to.equal(null);
        const actual = tensors[i]!.shape;
        expect(inferred!.length, `rank of ${name}`).to.equal(actual.length);
        const known = inferred!.map((dim, axis) => (dim < 0 ? actual[axis] : dim));
        expect(known, `${graph.nodes.get(name)!.op} ${name}`).to.deep.equal(actual);
      });
      tf.dispose([tensors, inputs]);
      model.dispose();
    });
  }
});
