import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { graphFromArtifacts } from '../../../../src/graph/artifacts.js';
import { GraphBuilder } from '../../../../src/graph/builder.js';
import type { Graph } from '../../../../src/graph/ir.js';
import { graphOfModel, modelFromGraph } from '../../../../src/graph/model.js';
import { HadaNormError } from '../../../../src/index.js';
import {
  applyPasses,
  type Match,
  type Pass,
  passSteps,
} from '../../../../src/recognize/normalize/engine.js';
import { ShapedView } from '../../../../src/shapes/view.js';
import { loaded } from '../../../harness/graphs/run.js';
import { expectNoLeakAsync } from '../../../harness/run/memory.js';

/** x → relu → abs → out; `side` reads x, and relu waits for it. */
function artifacts(more: (builder: GraphBuilder) => string[] = () => []): tf.io.ModelArtifacts {
  const builder = new GraphBuilder();
  builder.placeholder('x', [-1, 2]);
  builder.node('Neg', 'side', ['x']);
  builder.node('Relu', 'relu', ['x', '^side']);
  builder.node('Abs', 'abs', ['relu']);
  const others = more(builder);
  builder.node('Neg', 'out', ['abs']);
  return builder.build(['out', ...others]);
}

const graphOf = (...given: Parameters<typeof artifacts>) => graphFromArtifacts(artifacts(...given));

/** Relu → Abs ⇒ what `replace` puts there. */
function fold(replace: Pass['replace']): Pass {
  return {
    name: 'fold',
    match: (view) =>
      view.nodes('Abs').map(({ name, inputs }) => ({ at: name, replaced: [name, inputs[0]!] })),
    replace,
  };
}

const addHalf = (builder: GraphBuilder, { at }: Match) => {
  const half = builder.constant('half', [], Float32Array.of(0.5));
  builder.node('AddV2', at, ['x', half], {}, at);
};

function applied(graph: Graph, ...passes: Pass[]): Graph {
  const builder = new GraphBuilder(graph);
  try {
    return applyPasses('test', graph, builder, passes);
  } finally {
    builder.dispose();
  }
}

const names = ({ nodes }: Graph) => [...nodes.keys()];

describe('Pass engine', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  it('a pass that fits nowhere returns the same graph', () => {
    const graph = graphOf();
    const nothing: Pass = { name: 'nothing', match: () => [], replace: () => expect.fail() };
    expect(applied(graph, nothing, nothing)).to.equal(graph);
  });

  it('new nodes stand where the old one stood, and what nothing reads any more goes', () => {
    const graph = graphOf();
    const after = applied(graph, fold(addHalf));
    expect(names(after)).to.deep.equal(['x', 'side', 'half', 'abs', 'out']);
    expect([...after.weights.keys()]).to.deep.equal(['half']);
    expect(names(graph)).to.deep.equal(['x', 'side', 'relu', 'abs', 'out']);
  });

  it('what the old nodes waited for, the last new one waits for', () => {
    const { controls, inputs } = applied(graphOf(), fold(addHalf)).nodes.get('abs')!;
    expect([inputs, controls]).to.deep.equal([['x', 'half'], ['side']]);
  });

  it('an old node that others read stays', () => {
    const graph = graphOf((builder) => [builder.node('Exp', 'other', ['relu'])]);
    expect(names(applied(graph, fold(addHalf)))).to.include.members(['relu', 'other']);
  });

  it('a new node with the name of an old one is read where that was', () => {
    const graph = graphOf((builder) => [builder.node('Exp', 'other', ['relu'])]);
    const after = applied(
      graph,
      fold((builder, { at }) => {
        builder.node('Square', 'relu', ['x'], {}, 'relu');
        builder.node('Identity', at, ['relu'], {}, at);
      }),
    );
    expect(after.nodes.get('relu')!.op).to.equal('Square');
    expect(names(after)).to.deep.equal(['x', 'side', 'relu', 'abs', 'other', 'out']);
  });

  it('the next match is looked for when one is in its place', () => {
    const graph = graphOf((builder) => [builder.node('Abs', 'second', ['side'])]);
    const log: string[] = [];
    const pass: Pass = {
      name: 'log',
      *match(view) {
        for (const { name } of view.nodes('Abs')) {
          log.push(`match ${name}`);
          yield { at: name, replaced: [name] };
        }
      },
      replace(builder, { at }) {
        log.push(`replace ${at}`);
        builder.node('Exp', at, ['x'], {}, at);
      },
    };
    const steps = passSteps('test', new ShapedView(graph), new GraphBuilder(graph), pass);
    for (let step = steps.next(); !step.done; step = steps.next()) {
      log.push(`done ${step.value.at}`);
    }
    const each = (name: string) => [`match ${name}`, `replace ${name}`, `done ${name}`];
    expect(log).to.deep.equal([...each('abs'), ...each('second')]);
  });

  it('a pass sees what those before it left', () => {
    const again: Pass = {
      name: 'again',
      match: (view) => view.nodes('AddV2').map(({ name }) => ({ at: name, replaced: [name] })),
      replace: (builder, { at }) => void builder.node('Exp', at, ['x'], {}, at),
    };
    const after = applied(graphOf(), again, fold(addHalf), again);
    expect(after.nodes.get('abs')!.op).to.equal('Exp');
    expect([...after.weights.keys()]).to.deep.equal([]);
  });

  it('a graph that a pass broke is refused, by the name of the pass', () => {
    const loop = fold((builder, { at }) => void builder.node('Exp', at, ['out'], {}, at));
    expect(() => applied(graphOf(), loop)).to.throw(
      HadaNormError,
      /^test \(fold\): the graph is not valid: node "(abs|out)" waits for itself/,
    );
  });

  it('a weight that a later pass replaced is given up', async () => {
    await expectNoLeakAsync(async () => {
      const model = await loaded(artifacts());
      const graph = graphOfModel('test', model);
      const builder = new GraphBuilder(graph);
      const drop = fold((_, { at }) => void builder.node('Exp', at, ['x'], {}, at));
      const half: Pass = { ...fold(addHalf), name: 'half' };
      const second: Pass = {
        ...drop,
        match: (view) => view.nodes('AddV2').map(({ name }) => ({ at: name, replaced: [name] })),
      };
      const after = applyPasses('test', graph, builder, [half, second]);
      expect([builder.tensors.size, after.weights.size]).to.deep.equal([1, 0]);
      modelFromGraph(after, model, builder.tensors).dispose();
      model.dispose();
    });
  });
});
