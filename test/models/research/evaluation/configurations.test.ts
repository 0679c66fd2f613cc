import { expect } from 'chai';
import {
  CONFIGURATION_NAMES,
  type ConfigurationName,
  configured,
  isSequential,
} from '../../../../models/research/evaluation/configurations.js';
import { parseBits } from '../../../../src/cli/values.js';
import { PRESETS } from '../../../../src/index.js';

describe('Configurations of the evaluation', () => {
  const at = (name: ConfigurationName, bits: string) => configured(name, parseBits(bits)!);

  it('are apart from each other at each bit-width where there are any', () => {
    for (const bits of ['W8A8', 'W4A8', 'W4A4', 'W3A3']) {
      const all = CONFIGURATION_NAMES.flatMap((name) => {
        const options = at(name, bits);
        return options === null ? [] : JSON.stringify([options, isSequential(name)]);
      });
      expect(new Set(all).size, bits).to.equal(all.length);
    }
  });

  it('rtn is to nearest, gptq is not, and is no other than it at 8 bits', () => {
    expect(at('rtn', 'W4A8')!.weights).to.deep.equal({ bits: 4, rounding: 'nearest' });
    expect(at('gptq', 'W4A8')!.weights).to.deep.equal({ bits: 4 });
    expect(at('gptq', 'W8A8')).to.equal(null);
  });

  it('only those by a preset have a branch, and its rules: like with like', () => {
    const { rules } = PRESETS.W4A8.options;
    for (const name of CONFIGURATION_NAMES) {
      const own = at(name, 'W4A8')!;
      const branched =
        ['hadanorm', 'hadanorm-sequential'].includes(name) || /-(preset|small)$/.test(name);
      const fixed = name.endsWith('-rank32') ? 32 : 0;
      expect(own.lowRank, name).to.equal(branched ? 'auto' : fixed);
    }
    expect(at('hadanorm', 'W4A8')!.rules).to.deep.equal(rules);
    const ranked = at('hadanorm-rank32', 'W4A8')!.rules!;
    expect(ranked.map((rule) => rule.lowRank)).to.deep.equal(ranked.map(() => undefined));
    expect(at('hadamard-preset', 'W4A8')).to.deep.equal({
      ...at('hadanorm', 'W4A8'),
      method: 'hadamard',
    });
    expect(at('hadanorm', 'W8A8')!.lowRank, 'what the preset says').to.equal(0);
  });

  it('are none where there is no preset of these bits', () => {
    expect(at('hadanorm', 'W3A3')).to.equal(null);
    expect(at('hadanorm-small', 'W4A4')).to.equal(null);
    expect(at('hadanorm-rank32', 'W8A8'), 'nothing to gain').to.equal(null);
  });
});
