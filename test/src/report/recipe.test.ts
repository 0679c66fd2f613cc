import { expect } from 'chai';
import fc from 'fast-check';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { recommendRules } from '../../../src/report/recipe.js';
import type { LinearReport, QuantizationReport } from '../../../src/report/report.js';
import { syntheticReport, withLinears } from '../../harness/report/syntheticReport.js';

const REPORT = syntheticReport({ blocks: 2 });

describe('Rules recommended from a report', () => {
  const outputs = () => transformed(REPORT).map(({ sqnr }) => sqnr!.output);

  it('for a target that is met already are none', () => {
    const { rules, expected } = recommendRules(REPORT, { minSqnr: Math.min(...outputs()) });
    expect(rules).to.deep.equal([]);
    expect(expected.modelBytes).to.equal(REPORT.totals.modelBytes.after);
  });

  it('name exact linears, worst first, with 8 bits for both', () => {
    const { rules } = recommendRules(REPORT, { minSqnr: 20 });
    const worst = transformed(REPORT).filter(({ sqnr }) => sqnr!.output < 20);
    worst.sort((a, b) => a.sqnr!.output - b.sqnr!.output);
    expect(worst).to.not.deep.equal([]);
    expect(rules).to.deep.equal(
      worst.map(({ name }) => ({ match: name, weights: { bits: 8 }, activations: { bits: 8 } })),
    );
  });

  it('take a measurement that is NaN as the worst there can be', () => {
    const [first, ...others] = transformed(REPORT);
    const unknown = { activations: Number.NaN, weights: Number.NaN, output: Number.NaN };
    const report = withLinears(REPORT, [{ ...first!, sqnr: unknown }, ...others]);
    for (const target of [{ minSqnr: 5 }, { meanSqnr: 5 }, { maxBytes: 1e12 }]) {
      const { rules, expected } = recommendRules(report, target);
      expect(rules[0]?.match, JSON.stringify(target)).to.equal(first!.name);
      expect(expected.minSqnr).to.be.above(5);
    }
    const hopeless = withLinears(REPORT, [
      { ...first!, sqnr: unknown, at8Bits: { ...first!.at8Bits!, output: Number.NaN } },
      ...others,
    ]);
    expect(() => recommendRules(hopeless, { minSqnr: 5 })).to.throw(InvalidArgumentError, '−∞ dB');
  });

  it('reach what they were to, with not one rule more than it takes', () => {
    const level = fc.double({ min: 10, max: 44, noNaN: true });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        level,
        fc.constantFrom('minSqnr' as const, 'meanSqnr' as const),
        (blocks, target, kind) => {
          const report = syntheticReport({ blocks });
          const recipe = attempt(() =>
            recommendRules(report, { [kind]: target } as { minSqnr: number }),
          );
          if (recipe === null) return; // out of reach, another test
          expect(recipe.expected[kind]).to.be.at.least(target);
          expect(recipe.expected).to.deep.equal(
            outcome(
              report,
              recipe.rules.map(({ match }) => match),
            ),
          );
          if (recipe.rules.length === 0) return;
          const less = outcome(
            report,
            recipe.rules.slice(0, -1).map(({ match }) => match),
          );
          expect(less[kind]).to.be.below(target);
        },
      ),
    );
  });

  it('within bytes keep the worst linears, and leave no room for another', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.double({ min: 0, max: 1.5, noNaN: true }),
        (blocks, share) => {
          const report = syntheticReport({ blocks });
          const extra = transformed(report).map(
            ({ at8Bits, bytes }) => at8Bits!.bytes - bytes.after,
          );
          const maxBytes = report.totals.modelBytes.after + share * extra.reduce((a, b) => a + b);
          const { rules, expected } = recommendRules(report, { maxBytes });
          const kept = new Set(rules.map(({ match }) => match));
          expect(expected.modelBytes).to.be.at.most(maxBytes);
          expect(expected).to.deep.equal(outcome(report, [...kept]));
          const room = maxBytes - expected.modelBytes;
          transformed(report).forEach(({ name }, i) => {
            if (!kept.has(name)) expect(extra[i]).to.be.above(room);
          });
        },
      ),
    );
  });

  it('out of reach are refused with the best that can be had', () => {
    const best = Math.min(...transformed(REPORT).map(({ at8Bits }) => at8Bits!.output));
    const shown = (Math.floor(best * 10) / 10).toFixed(1);
    expect(() => recommendRules(REPORT, { minSqnr: 60 })).to.throw(
      InvalidArgumentError,
      `target.minSqnr must be at most ${shown} dB`,
    );
    expect(recommendRules(REPORT, { minSqnr: Number(shown) }).rules).to.not.deep.equal([]);
    expect(() => recommendRules(REPORT, { meanSqnr: 99 })).to.throw(
      'target.meanSqnr must be at most',
    );
    const { after } = REPORT.totals.modelBytes;
    expect(() => recommendRules(REPORT, { maxBytes: after - 1 })).to.throw(`at least ${after} (`);
  });

  it('leave a linear as it is that 8 bits do not help', () => {
    const [linear] = transformed(REPORT);
    const helpless = { ...linear!, at8Bits: { ...linear!.at8Bits!, output: 1 } };
    const { rules } = recommendRules(withLinears(REPORT, [helpless]), { maxBytes: 1e12 });
    expect(rules).to.deep.equal([]);
  });

  it('need calibration data, and a linear', () => {
    const uncalibrated = syntheticReport({ blocks: 1, calibrated: false });
    expect(() => recommendRules(uncalibrated, { minSqnr: 1 })).to.throw(
      InvalidArgumentError,
      'Calibrate',
    );
    expect(() => recommendRules(withLinears(REPORT, []), { minSqnr: 1 })).to.throw('one with none');
  });

  it('need exactly one target, a number', () => {
    for (const target of [
      {},
      { minSqnr: 1, maxBytes: 1 },
      { minSqnr: Number.NaN },
      { sqnr: 3 },
      5,
    ]) {
      expect(() => recommendRules(REPORT, target as never)).to.throw(
        InvalidArgumentError,
        'target',
      );
    }
  });
});

function transformed({ linears }: QuantizationReport): LinearReport[] {
  return linears.filter(({ treatment }) => treatment === 'transformed');
}

/** What 8 bits for these linears give. */
function outcome(report: QuantizationReport, names: readonly string[]) {
  const linears = transformed(report);
  const at8 = (name: string) => names.includes(name);
  const outputs = linears.map(({ name, sqnr, at8Bits }) => (at8(name) ? at8Bits! : sqnr!).output);
  const sorted = [...linears.keys()].sort(
    (a, b) => linears[a]!.sqnr!.output - linears[b]!.sqnr!.output,
  );
  const extra = linears
    .filter(({ name }) => at8(name))
    .map(({ at8Bits, bytes }) => at8Bits!.bytes - bytes.after);
  return {
    meanSqnr: sorted.reduce((sum, i) => sum + outputs[i]!, 0) / outputs.length,
    minSqnr: Math.min(...outputs),
    modelBytes: report.totals.modelBytes.after + extra.reduce((a, b) => a + b, 0),
  };
}

function attempt<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (error instanceof InvalidArgumentError) return null;
    throw error;
  }
}
