import type { GraphModel } from '@tensorflow/tfjs';
import { expect } from 'chai';
import { fuseGraph } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { opsOf } from '../../harness/graphs/fused.js';
import { convertedCaseOf, convertedModel } from '../../harness/models/converted.js';
import { CONVERTED, expectRewritten, STORED } from '../../harness/models/convertedCases.js';
import { outputOf, relative } from '../../harness/models/publishedCases.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';

/** ‖y − reference‖ / ‖reference‖. */
const BARS: Readonly<Record<string, number>> = { cpu: 1e-4, tensorflow: 1e-4 };
const OTHERS = 1e-3;

/**
 * Norms and attentions that one op takes. flax's norms, whose variance is a difference of means,
 * stay as they are.
 */
const FUSED: Readonly<Record<string, readonly [norms: number, attentions: number]>> = {
  ...{ keras: [5, 2], kerasLegacy: [5, 2], tensorflow: [5, 4], flax: [0, 2] },
};

async function withModel(
  name: string,
  stored: (typeof STORED)[number],
  run: (model: GraphModel) => Promise<void>,
): Promise<void> {
  await expectNoLeakAsync(async () => {
    const model = await convertedModel(name, stored);
    try {
      await run(model);
    } finally {
      model.dispose();
    }
  });
}

describeOnBackends('What other tools made', (backend) => {
  for (const name of CONVERTED) {
    const given = convertedCaseOf(name);

    it(`${name}: calibrated, rewritten exactly and to W4A8`, () =>
      withModel(name, 'float32', (model) =>
        expectRewritten(model, given, 'float32', BARS[backend] ?? OTHERS),
      ));

    // how weights are stored is read before any backend has them
    if (backend !== 'cpu') continue;
    for (const stored of STORED) {
      it(`${name}, ${stored}: tfjs gives what its maker gives, fused too`, () =>
        withModel(name, stored, async (model) => {
          const fused = fuseGraph(model);
          for (const one of [model, fused]) {
            const values = await outputOf(one, given.inputs());
            expect(relative(values, given.expected[stored])).to.be.below(1e-5);
          }
          const { ModulatedLayerNorm: norms = 0, ScaledDotProductAttention: all } = opsOf(fused);
          expect([norms, all]).to.deep.equal(FUSED[name]);
          fused.dispose();
        }));
    }

    for (const stored of ['float16', 'uint8'] as const) {
      it(`${name}, ${stored}: calibrated, rewritten exactly and to W4A8`, () =>
        withModel(name, stored, (model) => expectRewritten(model, given, stored, 1e-4)));
    }
  }
});
