import { expect } from 'chai';
import fc from 'fast-check';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { type RecipeRule, recommendRules } from '../../../src/report/recipe.js';
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

describe('Rules recommended from a report that knows of ranks', () => {
  const RANKS = [8, 24, 32];

  /** Linears two by two share a branch of rank 16; a direction more is worth less each time. */
  const ranked = (blocks: number, gain = 0.2): QuantizationReport => {
    const report = syntheticReport({ blocks });
    const own = transformed(report);
    const linears = own.map((linear, i): LinearReport => {
      const [d, n] = linear.shape;
      const parts = { center: 'none', scale: 'balanced', rotate: true } as const;
      return {
        ...linear,
        parts: { ...parts, branch: 'errors', lowRank: 16 },
        transformOf: own[i - (i % 2)]!.name,
        atRanks: RANKS.map((lowRank) => ({
          lowRank,
          output: linear.sqnr!.output + gain * Math.sqrt(n / 1152) * (lowRank - 16),
          bytes: linear.bytes.after + (lowRank - 16) * (n + 4 + (i % 2 === 0 ? d : 0)),
        })),
      };
    });
    return withLinears(report, linears);
  };

  const target = fc.oneof(
    fc.record({ minSqnr: fc.double({ min: 12, max: 44, noNaN: true }) }),
    fc.record({ meanSqnr: fc.double({ min: 12, max: 44, noNaN: true }) }),
    fc.record({ maxBytes: fc.double({ min: 0.98, max: 1.4, noNaN: true }) }),
  );

  it('reach it, by one rank a site, and expect what the report says of that', () => {
    const seen = { ranks: 0, bits: 0, both: 0 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), target, (blocks, wanted) => {
        const report = ranked(blocks);
        const { after } = report.totals.modelBytes;
        const own = 'maxBytes' in wanted ? { maxBytes: after * wanted.maxBytes } : wanted;
        const recipe = attempt(() => recommendRules(report, own));
        if (recipe === null) return; // out of reach, another test
        const { rules, expected } = recipe;
        const made = madeBy(report, rules);
        expect(expected.modelBytes).to.equal(made.modelBytes);
        expect(expected.minSqnr).to.equal(made.minSqnr);
        expect(expected.meanSqnr).to.be.closeTo(made.meanSqnr, 1e-9);
        if ('minSqnr' in own) expect(made.minSqnr).to.be.at.least(own.minSqnr);
        if ('meanSqnr' in own) expect(made.meanSqnr).to.be.at.least(own.meanSqnr);
        if ('maxBytes' in own) expect(made.modelBytes).to.be.at.most(own.maxBytes);
        const bits = rules.filter(({ weights }) => weights !== undefined).length;
        seen.bits += Math.sign(bits);
        seen.ranks += Math.sign(rules.length - bits);
        seen.both += bits > 0 && bits < rules.length ? 1 : 0;
      }),
      { seed: 1, numRuns: 200 },
    );
    expect(Math.min(seen.bits, seen.ranks, seen.both), 'of each there were some').to.be.above(10);
  });

  it('take no more bytes than bits alone would', () => {
    for (const minSqnr of [17, 19, 21, 24]) {
      const report = ranked(3);
      const without = withLinears(
        report,
        report.linears.map(({ atRanks: _, ...linear }) => linear),
      );
      const both = recommendRules(report, { minSqnr });
      const bits = recommendRules(without, { minSqnr });
      expect(both.expected.modelBytes).to.be.at.most(bits.expected.modelBytes);
      if (minSqnr < 20)
        expect(both.rules.some(({ weights }) => weights === undefined)).to.equal(true);
    }
  });

  it('say of a rank what branch it is of, and how the linear is treated', () => {
    const report = ranked(1);
    const outputs = transformed(report).map(({ sqnr }) => sqnr!.output);
    const { rules } = recommendRules(report, { minSqnr: Math.min(...outputs) + 0.5 });
    const kept = { center: 'none', scale: 'balanced', branch: 'errors', lowRank: 24 };
    expect(rules).to.have.length(2);
    for (const { match, ...rule } of rules) {
      expect(rule).to.deep.equal(kept);
      expect(transformed(report).map(({ name }) => name)).to.include(match);
    }
  });

  it('give up directions where a model is too large, those that are worth least', () => {
    const report = ranked(2);
    const { after } = report.totals.modelBytes;
    const { rules, expected } = recommendRules(report, { maxBytes: after - 20_000 });
    expect(rules.some(({ lowRank }) => lowRank === 8)).to.equal(true);
    expect(expected.modelBytes).to.be.within(after - 60_000, after - 20_000);
    const least = /target.maxBytes must be at least (\d+) /;
    let message = '';
    try {
      recommendRules(report, { maxBytes: after / 2 });
    } catch (error) {
      message = `${error}`;
    }
    const bytes = Number(least.exec(message)![1]);
    expect(recommendRules(report, { maxBytes: bytes }).expected.modelBytes).to.equal(bytes);
    expect(() => recommendRules(report, { maxBytes: bytes - 1 })).to.throw(InvalidArgumentError);
  });

  it('move directions to where they are worth more, within the bytes that there are', () => {
    const report = ranked(2);
    // of the first site's linears a direction is worth much, of the others nothing
    const [first] = transformed(report);
    const linears = transformed(report).map((linear): LinearReport => {
      const gain = linear.transformOf === first!.name ? 1 : 0;
      const atRanks = linear.atRanks!.map((other) => ({
        ...other,
        output: linear.sqnr!.output + gain * (other.lowRank - 16),
      }));
      return { ...linear, atRanks };
    });
    const { after } = report.totals.modelBytes;
    const { rules, expected } = recommendRules(withLinears(report, linears), { maxBytes: after });
    expect(expected.modelBytes).to.be.at.most(after);
    const own = rules.filter(({ match }) => match === first!.name);
    expect(own.map(({ lowRank }) => lowRank)).to.deep.equal([32]);
    expect(rules.some(({ lowRank }) => lowRank === 8)).to.equal(true);
  });

  it('leave ranks alone that measured no better', () => {
    const { rules } = recommendRules(ranked(2, -0.1), { maxBytes: 1e12 });
    expect(rules.every(({ weights }) => weights?.bits === 8)).to.equal(true);
    expect(rules).to.have.length(8);
  });
});

/** What rules give by the report's own figures. */
function madeBy(report: QuantizationReport, rules: readonly RecipeRule[]) {
  const by = new Map(rules.map((rule) => [rule.match, rule]));
  const linears = transformed(report).map((linear) => {
    const rule = by.get(linear.name);
    const { output } = linear.sqnr!;
    const { after } = linear.bytes;
    const transform = linear.transformOf;
    if (rule === undefined) return { output, bytes: after, transform, rank: 16 };
    if (rule.weights === undefined) {
      const there = linear.atRanks!.find(({ lowRank }) => lowRank === rule.lowRank)!;
      return { ...there, transform, rank: there.lowRank };
    }
    // what it shares stays with those that have a rank still
    const others = transformed(report).filter((own) => own.transformOf === transform);
    const staying = others.flatMap(({ name }) => by.get(name) ?? []);
    const rank = staying.find(({ weights }) => weights === undefined)?.lowRank;
    const left = linear.atRanks!.find(({ lowRank }) => lowRank === rank);
    const isFirst = transform === linear.name;
    const shared = isFirst && left !== undefined ? left.bytes - after : 0;
    const { bytes, output: at8 } = linear.at8Bits!;
    return { output: at8, bytes: bytes + shared, transform, rank: null };
  });
  for (const { transform, rank } of linears) {
    const own = linears.filter((other) => other.transform === transform && other.rank !== null);
    if (rank !== null) expect(new Set(own.map((other) => other.rank)).size).to.equal(1);
  }
  const outputs = linears.map(({ output }) => output);
  const before = transformed(report).reduce((sum, { bytes }) => sum + bytes.after, 0);
  return {
    meanSqnr: outputs.reduce((sum, output) => sum + output, 0) / outputs.length,
    minSqnr: Math.min(...outputs),
    modelBytes:
      report.totals.modelBytes.after - before + linears.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

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
