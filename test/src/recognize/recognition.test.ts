import { expect } from 'chai';
import { graphFromArtifacts } from '../../../src/graph/artifacts.js';
import { analyze } from '../../../src/recognize/analysis.js';
import type { ZooGraph } from '../../harness/graphs/kit.js';
import { nonDits } from '../../harness/graphs/nonDits.js';
import { zoo } from '../../harness/graphs/zoo.js';

/** Role, shape and bias of each linear, by its product. */
function found({ artifacts }: ZooGraph): Record<string, string> {
  const { linears } = analyze(graphFromArtifacts(artifacts));
  const entries = linears.map(({ linear, role }) => {
    const bias = linear.bias === null ? 'no bias' : 'bias';
    return [linear.product, `${role} ${linear.d}→${linear.n} ${bias}`] as const;
  });
  return Object.fromEntries(entries);
}

function wanted({ expected }: ZooGraph): Record<string, string> {
  const entries = [...expected].map(
    ([product, { role, d, n, bias }]) =>
      [product, `${role} ${d}→${n} ${bias ? 'bias' : 'no bias'}`] as const,
  );
  return Object.fromEntries(entries);
}

describe('Recognition', () => {
  for (const { title, build } of zoo()) {
    it(`sees what each linear is for: ${title}`, () => {
      const graph = build();
      expect(found(graph)).to.deep.equal(wanted(graph));
    });

    it(`knows where the tokens of a sample are: ${title}`, () => {
      const { linears } = analyze(graphFromArtifacts(build().artifacts));
      const wrong = linears.filter(({ role, site }) => {
        const oneRow = site.tokens === 'none';
        return role === 'modulation' ? !oneRow : role !== 'embedding' && oneRow;
      });
      expect(wrong.map(({ linear }) => linear.product)).to.deep.equal([]);
    });
  }

  for (const { title, artifacts } of nonDits()) {
    it(`has nothing to do with ${title}`, () => {
      const { linears } = analyze(graphFromArtifacts(artifacts));
      expect(linears.filter(({ role }) => role !== 'other')).to.deep.equal([]);
    });
  }
});
