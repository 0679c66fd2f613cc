import { expect } from 'chai';
import { firstAttempt, nextAttempt, rulesOf } from '../../../src/rewrite/targets.js';
import { syntheticReport } from '../../harness/report/syntheticReport.js';

describe('What a target needs next', () => {
  const report = syntheticReport({ blocks: 3 });
  const { after } = report.totals.modelBytes;
  const given = [{ role: 'mlp', rotate: true }] as const;

  /** The same with so many bytes. */
  const having = (bytes: number) => {
    const modelBytes = { ...report.totals.modelBytes, after: bytes };
    return { ...report, totals: { ...report.totals, modelBytes } };
  };

  it('of a model that came out larger than was expected is less from the start', () => {
    const target = { maxBytes: Math.floor(1.2 * after) };
    const first = firstAttempt('test', report, given, target);
    const { expected } = first.recipe;
    const made = (bytes: number) => ({ ...first, report: having(bytes) });
    expect(nextAttempt('test', target, first, made(target.maxBytes))).to.equal(null);
    const unexpected = target.maxBytes - expected.modelBytes + Math.floor(0.05 * after);
    const next = nextAttempt('test', target, first, made(expected.modelBytes + unexpected))!;
    expect(next.isInstead).to.equal(true);
    const most = target.maxBytes - unexpected;
    expect(next.recipe.expected.modelBytes).to.be.within(after, most);
    expect(next.recipe.rules.length).to.be.within(1, first.recipe.rules.length - 1);
    // of the first model, whose rules are as they were
    expect(next.report).to.equal(report);
    expect(rulesOf('test', next).slice(0, 1)).to.deep.equal(given);
    const beyond = made(expected.modelBytes + after);
    expect(nextAttempt('test', target, first, beyond), 'nothing is small enough').to.equal(null);
  });

  it('of one that lacks decibels comes besides, and is nothing where nothing helps', () => {
    const target = { minSqnr: 20 };
    const first = firstAttempt('test', report, given, target);
    const next = nextAttempt('test', target, first, { ...first, rules: rulesOf('test', first) })!;
    expect(next.isInstead).to.equal(false);
    expect(next.rules.length).to.be.above(given.length);
    const out = nextAttempt('test', { minSqnr: 500 }, first, first);
    expect(out).to.equal(null);
  });
});
