import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import { groupsOf } from '../../../src/quantize/plan.js';
import { analyze } from '../../../src/recognize/analysis.js';
import { passSteps } from '../../../src/recognize/normalize/engine.js';
import { QuantizePass } from '../../../src/rewrite/quantizePass.js';
import { tasksFor } from '../../../src/rewrite/settings.js';
import { transformer } from '../../harness/graphs/transformer.js';
import { TRANSFORMER } from '../../harness/graphs/zoo.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const OPTIONS = { method: 'hadamard', compare: false } as const;

function started(options: Parameters<typeof tasksFor>[2]) {
  const graph = graphFromArtifacts(transformer(TRANSFORMER).artifacts);
  const { view, linears } = analyze(graph);
  const builder = new GraphBuilder(graph);
  const groups = groupsOf(tasksFor('test', linears, options));
  const pass = new QuantizePass('test', groups, options, new Map());
  return { graph, linears, builder, pass, steps: passSteps('test', view, builder, pass) };
}

describe('Quantization as a pass', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  it('with every linear left alone returns the same graph', () => {
    const rules = [{ treatment: 'skip' } as const];
    const { graph, pass, steps } = started({ ...OPTIONS, rules });
    expect(steps.next()).to.deep.equal({ done: true, value: graph });
    expect(pass.reports.size).to.equal(0);
  });

  it('quantizes one linear after the other, each reported when it is in its place', () => {
    expectNoLeak(() => {
      const { linears, builder, pass, steps } = started(OPTIONS);
      const names: string[] = [];
      let made = 0;
      for (let step = steps.next(); !step.done; step = steps.next()) {
        names.push(step.value.at);
        expect([...pass.reports.keys()]).to.deep.equal(names);
        expect(builder.weights.size).to.be.above(made);
        made = builder.weights.size;
      }
      expect(names).to.have.members(linears.map(({ linear }) => linear.name));
      builder.dispose();
    });
  });

  it('takes along what belongs to a linear, and the activation that its product applies', () => {
    const { graph, builder, steps } = started(OPTIONS);
    const gone: string[] = [];
    let step = steps.next();
    for (; !step.done; step = steps.next()) gone.push(...step.value.replaced);
    const after = step.value;
    const products = [...after.nodes.values()].filter(({ op }) => op === 'QuantizedMatMul');
    const old = gone.filter((name) => after.nodes.get(name) === graph.nodes.get(name));
    expect(old).to.deep.equal([]);
    expect(products.some(({ attrs }) => attrs.activation !== undefined)).to.equal(true);
    builder.dispose();
  });
});
