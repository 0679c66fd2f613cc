import { expect } from 'chai';
import fc from 'fast-check';
import { InvalidArgumentError } from '../../../ops/numerics/errors.js';
import { formatBytes, formatDb, shortenName } from '../../../src/report/format.js';
import { rowLabels } from '../../../src/report/plotLabels.js';
import { reportTable } from '../../../src/report/reportTable.js';
import { anyReport } from '../../harness/report/anyReport.js';
import { syntheticReport, withLinears } from '../../harness/report/syntheticReport.js';

const REPORT = syntheticReport({ blocks: 2, timesteps: [0, 500, 999] });
const HOSTILE = '<script>alert("1")</script>\u001b[31m\n\u2028';

describe('A report as a console table', () => {
  it('has a row for each linear, then the totals, all lines of one width', () => {
    const lines = reportTable(REPORT).split('\n');
    expect(lines.length).to.equal(3 + REPORT.linears.length + 1 + 2 + 1);
    expect(new Set(lines.map((line) => [...line].length)).size).to.equal(1);
    REPORT.linears.forEach(({ name }, i) => void expect(lines[3 + i]).to.include(name));
    expect(lines.at(-3)).to.include('all 11 linears');
    expect(lines.at(-2)).to.include('whole model');
  });

  it('shows the chosen output, each other method, input and bytes of a linear', () => {
    const [sqnr, rtn] = [db(30.04), db(12.36)];
    const linear = { ...REPORT.linears[1]!, sqnr, compared: { hadanorm: sqnr, rtn } };
    expect(cells(reportTable(withLinears(REPORT, [linear])))[1]).to.deep.equal([
      'dit/blocks/0/attention/qkv/MatMul',
      'attention.qkv',
      '1152→3456',
      'hadanorm',
      'W4A4',
      '30.0',
      '12.4',
      '32.5',
      '34.0',
      '15.9 MB',
      '2.01 MB',
      '7.9×',
    ]);
  });

  it('shows how HadaNorm treats a linear, and the best that centering and leaving it gave', () => {
    const parts = { center: 'none', scale: 'balanced', rotate: true } as const;
    const ways = [20.04, 24.04, 23.04].map((output, i) => {
      const center = i < 2 ? ('none' as const) : ('dynamic' as const);
      return { ...parts, center, method: 'hadanorm', output } as const;
    });
    const linear = { ...REPORT.linears[1]!, parts, ways, sqnr: db(30), compared: {} };
    const [head, row, total] = cells(reportTable(withLinears(REPORT, [linear])));
    expect(row!.slice(3, 8)).to.deep.equal([
      'hadanorm: balance, rotate',
      ...['W4A4', '30.0', '23.0', '24.0'],
    ]);
    expect(head!.slice(5, 8)).to.deep.equal(['output dB', 'if centered', 'if not']);
    expect(total!.slice(5, 8)).to.deep.equal(['30.0', '23.0', '24.0']);
    const whole = { ...linear, parts: { ...parts, center: 'dynamic' as const } };
    expect(cells(reportTable(withLinears(REPORT, [whole])))[1]![3]).to.equal('hadanorm');
    const branch = { branch: 'errors', lowRank: 16 } as const;
    const beside = [whole, linear].map((one) => ({ ...one, parts: { ...one.parts, ...branch } }));
    const [, ...rows] = cells(reportTable(withLinears(REPORT, beside)));
    expect(rows.slice(0, 2).map((cell) => cell[3])).to.have.members([
      'hadanorm + branch 16',
      'hadanorm: balance, rotate + branch 16',
    ]);
  });

  it('by role has a row for each role, with means of its decibels and sums of its bytes', () => {
    const linears = [20, 30].map((output) => ({ ...REPORT.linears[2]!, sqnr: db(output) }));
    const [head, row] = cells(reportTable(withLinears(REPORT, linears), { by: 'role' }));
    expect(head!.slice(0, 3)).to.deep.equal(['role', 'linears', 'output dB']);
    expect(row!.slice(0, 3)).to.deep.equal(['attention.out', '2', '25.0']);
    expect(row!.at(-3)).to.equal('10.6 MB');
  });

  it('shows – for what is unknown and ∞ for what lost nothing', () => {
    const lossless = { ...REPORT.linears[1]!, sqnr: db(Number.POSITIVE_INFINITY), compared: {} };
    const rows = cells(reportTable(withLinears(REPORT, [REPORT.linears[0]!, lossless])));
    expect(rows[1]!.slice(3, 8)).to.deep.equal(['untouched', '–', '–', '–', '–']);
    expect(rows[2]!.slice(5, 8)).to.deep.equal(['∞', '∞', '∞']);
  });

  it('lets no name break lines or write escape codes', () => {
    const linear = { ...REPORT.linears[1]!, name: HOSTILE };
    const table = reportTable(withLinears(REPORT, [linear]));
    expect(table.split('\n').length).to.equal(
      reportTable(withLinears(REPORT, [REPORT.linears[1]!])).split('\n').length,
    );
    for (const control of ['\u001b', '\u2028']) expect(table).to.not.include(control);
  });

  it('takes any report', () => {
    fc.assert(
      fc.property(anyReport, fc.constantFrom('linear' as const, 'role' as const), (report, by) => {
        expect(reportTable(report, { by })).to.include('whole model');
      }),
      { numRuns: 50 },
    );
  });

  it('refuses options that there are none of', () => {
    const broken = [{ by: 'layer' }, { nameWidth: 3 }, { groupBy: 'role' }, null];
    for (const options of broken) {
      expect(() => reportTable(REPORT, options as never)).to.throw(InvalidArgumentError, 'options');
    }
  });
});

describe('Names and numbers in reports', () => {
  it('a shortened name fits its width, and is left alone where it fits already', () => {
    const names = fc.oneof(
      fc.string(),
      fc.array(fc.string(), { minLength: 1 }).map((all) => all.join('/')),
    );
    fc.assert(
      fc.property(names, fc.integer({ min: 8, max: 60 }), (name, width) => {
        const short = shortenName(name, width);
        expect([...short].length).to.be.at.most(width);
        if ([...name].length <= width) expect(short).to.equal(name);
      }),
    );
  });

  it('a shortened name keeps its numbers and its end', () => {
    const name = 'dit/blocks/12/attention/proj/MatMul';
    expect(shortenName(name, 24)).to.equal('dit/…/12/…/proj/MatMul');
    expect(shortenName(`StatefulPartitionedCall/${name}`, 16)).to.equal('…/12/…/MatMul');
  });

  it('rows of a plot are labelled by where their names differ', () => {
    const names = [0, 1, 12].map((block) => `dit/blocks/${block}/mlp/fc1`);
    expect(rowLabels(names)).to.deep.equal({
      pattern: 'dit/blocks/*/mlp/fc1',
      labels: ['0', '1', '12'],
    });
  });

  it('rows of a plot have distinct labels, of equal names too', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom(
            'a',
            'a/b',
            'a/a/b',
            '',
            '/',
            'x'.repeat(40),
            `${'x'.repeat(20)}y${'x'.repeat(20)}`,
          ),
          { minLength: 1 },
        ),
        (names) => {
          const { labels } = rowLabels(names);
          expect(new Set(labels).size).to.equal(names.length);
        },
      ),
    );
  });

  it('decibels have one decimal, bytes three digits', () => {
    const { POSITIVE_INFINITY, NEGATIVE_INFINITY } = Number;
    const values = [12.34, -3, POSITIVE_INFINITY, NEGATIVE_INFINITY, null];
    expect(values.map(formatDb)).to.deep.equal(['12.3', '−3.0', '∞', '−∞', '–']);
    const bytes = [0, 999, 1000, 12_345, 2_360_000, 1.82e9];
    const shown = ['0 B', '999 B', '1.00 kB', '12.3 kB', '2.36 MB', '1.82 GB'];
    expect(bytes.map(formatBytes)).to.deep.equal(shown);
  });
});

function db(output: number) {
  return { output, activations: output + 2.5, weights: output + 4 };
}

/** The cells of a table with the head first, without the lines. */
function cells(table: string): string[][] {
  const rows = table.split('\n').filter((line) => line.startsWith('│'));
  return rows.map((line) =>
    line
      .split('│')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
