import { expect } from 'chai';
import fc from 'fast-check';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { encodeNumber } from '../../../src/report/jsonNumbers.js';
import type { QuantizationReport } from '../../../src/report/report.js';
import { parseReport, reportJson } from '../../../src/report/reportJson.js';
import { reportTable } from '../../../src/report/reportTable.js';
import { anyReport } from '../../harness/report/anyReport.js';
import { syntheticReport, withLinears } from '../../harness/report/syntheticReport.js';

const REPORT = syntheticReport({ blocks: 2, timesteps: [0, 500, 999] });

describe('A report as JSON', () => {
  it('comes back as it was, whatever numbers and names are in it', () => {
    fc.assert(
      fc.property(anyReport, (report) => {
        expect(parseReport(reportJson(report))).to.deep.equal(report);
      }),
    );
  });

  it('keeps ∞, and a linear named Infinity', () => {
    const linear = { ...REPORT.linears[1]!, name: 'Infinity', sqnr: db(Number.POSITIVE_INFINITY) };
    const report = withLinears(REPORT, [linear]);
    expect(parseReport(reportJson(report))).to.deep.equal(report);
  });

  it('leaves out fields that a report does not have', () => {
    const text = JSON.stringify({ ...REPORT, later: 1 });
    expect(parseReport(text)).to.deep.equal(REPORT);
  });

  it('is written without fields that a report does not have, whatever they hold', () => {
    const itself: Record<string, unknown> = { big: 7n };
    itself.circle = itself;
    const text = reportJson({ ...REPORT, ...{ later: itself } });
    expect(text).to.equal(reportJson(REPORT));
  });

  it('of a former version has no parts and no ways; what is there is checked', () => {
    const [linear] = REPORT.linears.slice(1);
    expect(parseReport(reportJson(REPORT)).linears[1]).to.deep.equal(linear);
    const parts = { center: 'none', scale: 'balanced', rotate: true } as const;
    const ways = [{ method: 'hadanorm', ...parts, output: Number.NaN }] as const;
    const report = withLinears(REPORT, [{ ...linear!, parts, ways }]);
    expect(parseReport(reportJson(report))).to.deep.equal(report);
    for (const [path, value] of [
      [['parts', 'rotate'], 1],
      [['parts', 'center'], 'auto'],
      [['ways', '0', 'output'], null],
      [['ways', '0', 'method'], 'auto'],
      [['ways'], {}],
    ] as const) {
      const wrong = replaced(report, ['linears', '0', ...path], value) as QuantizationReport;
      const at = `report.linears[0].${path.join('.').replace('.0', '[0]')}`;
      expect(() => parseReport(JSON.stringify(wrong)), at).to.throw(InvalidArgumentError, at);
    }
  });

  it('with any field missing or of a wrong type is refused by its path', () => {
    const known = syntheticReport({ blocks: 1, timesteps: [5] });
    const report = withLinears(known, [known.linears[1]!]);
    for (const path of pathsOf(report)) {
      for (const value of [undefined, {}, true]) {
        // `compared` may lack methods, or be empty
        if (value !== true && path.slice(-2).includes('compared')) continue;
        const wrong = replaced(report, path, value) as QuantizationReport;
        const encode = (_: string, at: unknown) => (typeof at === 'number' ? encodeNumber(at) : at);
        const text = JSON.stringify(wrong, encode);
        expect(() => parseReport(text), path.join('.')).to.throw(InvalidArgumentError);
        for (const write of [reportJson, reportTable]) {
          expect(() => write(wrong), path.join('.')).to.throw(InvalidArgumentError, 'report');
        }
      }
    }
    const wrong = replaced(report, ['linears', '0', 'sqnr', 'output'], 'high');
    expect(() => parseReport(JSON.stringify(wrong)))
      .to.throw(InvalidArgumentError, 'report.linears[0].sqnr.output must be a number')
      .with.property('argument', 'report.linears[0].sqnr.output');
  });

  for (const [what, path, value, message] of [
    ['another version', ['version'], 2, 'report.version must be 1, got 2.'],
    ['an unknown method', ['method'], 'magic', '"auto", got "magic".'],
    ['an unknown compared method', ['totals', 'compared', 'magic'], db(1), 'got "magic"'],
    [
      'a histogram of mismatched lengths',
      ['linears', '1', 'channels', 'before', 'counts'],
      [1],
      'report.linears[1].channels.before.counts must be an array of 32',
    ],
    [
      '∞ lost by JSON.stringify',
      ['totals', 'sqnr', 'output'],
      null,
      'Write reports with reportJson',
    ],
  ] as const) {
    it(`with ${what} is refused`, () => {
      const text = JSON.stringify(replaced(REPORT, [...path], value));
      expect(() => parseReport(text)).to.throw(InvalidArgumentError, message);
    });
  }

  it('that is no JSON, or no text, is refused', () => {
    expect(() => parseReport('{')).to.throw(InvalidArgumentError, 'text must be JSON');
    expect(() => parseReport(REPORT as never)).to.throw(InvalidArgumentError, 'a string of JSON');
    expect(() => parseReport('[]')).to.throw(InvalidArgumentError, 'report must be an object');
  });
});

function db(output: number) {
  return { output, activations: output + 2.5, weights: output + 4 };
}

/** Every path to a value in a report. */
function pathsOf(value: unknown): string[][] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    [key],
    ...pathsOf(inner).map((path) => [key, ...path]),
  ]);
}

/** A copy with another value at a path; undefined takes the key away. */
function replaced(value: unknown, [key, ...path]: readonly string[], leaf: unknown): unknown {
  const copy = structuredClone(value) as Record<string, unknown>;
  const next = path.length === 0 ? leaf : replaced(copy[key!], path, leaf);
  if (next === undefined) delete copy[key!];
  else copy[key!] = next;
  return copy;
}
