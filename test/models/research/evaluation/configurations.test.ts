import { expect } from 'chai';
import {
  CONFIGURATION_NAMES,
  type ConfigurationName,
  configured,
} from '../../../../models/research/evaluation/configurations.js';
import { parseBits } from '../../../../src/cli/values.js';
import { PRESETS } from '../../../../src/index.js';

describe('Configurations of the evaluation', () => {
  const at = (name: ConfigurationName, bits: string) => configured(name, parseBits(bits)!);

  it('are apart from each other at each bit-width where there are any', () => {
    for (const bits of ['W8A8', 'W4A8', 'W4A4', 'W3A3']) {
      const all = CONFIGURATION_NAMES.map((name) => at(name, bits)).filter((one) => one !== null);
      expect(new Set(all.map((one) => JSON.stringify(one))).size, bits).to.equal(all.length);
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
      const branched = name.endsWith('-preset') || name === 'hadanorm' || name.endsWith('-small');
      expect(own.lowRank, name).to.equal(branched ? 'auto' : 0);
    }
    expect(at('hadanorm', 'W4A8')!.rules).to.equal(rules);
    expect(at('hadamard-preset', 'W4A8')).to.deep.equal({
      ...at('hadanorm', 'W4A8'),
      method: 'hadamard',
    });
    expect(at('hadanorm', 'W8A8')!.lowRank, 'what the preset says').to.equal(0);
  });

  it('are none where there is no preset of these bits', () => {
    expect(at('hadanorm', 'W3A3')).to.equal(null);
    expect(at('hadanorm-small', 'W4A4')).to.equal(null);
  });
});
