import { expect } from 'chai';
import fc from 'fast-check';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import { verifyGraph } from '../../../src/graph/verify.js';
import { analyze } from '../../../src/recognize/analysis.js';
import { transformers, withoutAttention } from '../../harness/graphs/random.js';
import { transformer } from '../../harness/graphs/transformer.js';

describe('Recognition of random graphs', () => {
  it('finds every linear of any transformer, and what it is for', () => {
    fc.assert(
      fc.property(transformers, (spec) => {
        const { artifacts, expected } = transformer(spec);
        const graph = graphFromArtifacts(artifacts);
        verifyGraph(graph, 'test');
        const found = analyze(graph).linears.map(({ linear, role }) => [linear.product, role]);
        const wanted = [...expected].map(([product, { role }]) => [product, role]);
        expect(Object.fromEntries(found)).to.deep.equal(Object.fromEntries(wanted));
      }),
      { seed: 1, numRuns: 400 },
    );
  });

  it('finds no role for anything without attention', () => {
    fc.assert(
      fc.property(withoutAttention, (spec) => {
        const { artifacts, expected } = transformer(spec);
        const { linears } = analyze(graphFromArtifacts(artifacts));
        expect(linears.length).to.equal(expected.size);
        expect(linears.filter(({ role }) => role !== 'other')).to.deep.equal([]);
      }),
      { seed: 2, numRuns: 100 },
    );
  });
});
