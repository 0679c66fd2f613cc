import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { DEFAULTS, settingsOf } from '../../examples/quantizeDit/flags.js';
import { reportsPage } from '../../examples/quantizeDit/reportPage.js';
import { summaryTable } from '../../examples/quantizeDit/summary.js';
import { ROOT } from '../../scripts/process.js';
import { InvalidArgumentError, reportHtml } from '../../src/index.js';
import { syntheticReport } from '../harness/report/syntheticReport.js';
import { CHILD_ENV } from '../harness/run/child.js';

describe('Flags of npm start', () => {
  it('without any it is W4A8 and W4A4 of avatars-nano', () => {
    expect(settingsOf([])).to.deep.equal({
      ...DEFAULTS,
      bits: [
        { name: 'W4A8', weights: 4, activations: 8 },
        { name: 'W4A4', weights: 4, activations: 4 },
      ],
      steps: 20,
      cfg: 1,
      seed: 7,
    });
  });

  it('each is read', () => {
    const flags =
      '--model a/model.json --bits W8A8 --method auto --steps 3 --solver heun --cfg 1.5';
    expect(settingsOf([...flags.split(' '), '--seed', '0', '--out', 'b'])).to.deep.equal({
      model: 'a/model.json',
      bits: [{ name: 'W8A8', weights: 8, activations: 8 }],
      method: 'auto',
      steps: 3,
      solver: 'heun',
      cfg: 1.5,
      seed: 0,
      out: 'b',
    });
  });

  const wrong: readonly (readonly [string, string])[] = [
    ['--bits W4', '--bits must be a list such as W4A8,W4A4, of 2 to 8 bits, got W4.'],
    ['--bits W4A9', '--bits must be a list such as W4A8,W4A4, of 2 to 8 bits, got W4A9.'],
    ['--bits W4A8,', 'got nothing.'],
    ['--bits W4A8,W4A8', '--bits must be a list without repetition, got W4A8,W4A8.'],
    ['--method rtn', '--method must be hadanorm or centered or hadamard or smoothquant or auto'],
    ['--steps 0', '--steps must be an integer ≥ 1, below 2^32, got 0.'],
    ['--steps 2.5', 'got 2.5.'],
    ['--solver rk4', '--solver must be euler or heun, got rk4.'],
    ['--cfg much', '--cfg must be a number, got much.'],
    ['--seed -1', '--seed'],
    ['--out package.json', '--out must be a folder, got package.json.'],
    ['--quiet', 'flags must be --model, --bits, --method'],
    ['avatars', 'flags must be --model'],
  ];
  for (const [flags, message] of wrong) {
    it(`${flags}: a typed error that says what is wanted`, () => {
      expect(() => settingsOf(flags.split(' '))).to.throw(InvalidArgumentError, message);
    });
  }

  for (const flags of [
    ['--steps', 'few'],
    ['--model', 'dall-e'],
  ]) {
    it(`npm start -- ${flags.join(' ')} ends with exit code 2, and writes nothing`, () => {
      const folder = mkdtempSync(join(tmpdir(), 'tfjs-hadanorm-flags-'));
      const out = join(folder, 'out');
      const command = ['--import', 'tsx', join('examples', 'quantizeDit.ts'), ...flags];
      const { status, stderr } = spawnSync(process.execPath, [...command, '--out', out], {
        cwd: ROOT,
        encoding: 'utf8',
        env: CHILD_ENV,
      });
      expect([status, existsSync(out)], stderr).to.deep.equal([2, false]);
      expect(stderr).to.match(new RegExp(`must be .*, got ${flags[1]}\\.\n$`));
      rmSync(folder, { recursive: true });
    });
  }
});

describe('What npm start shows', () => {
  it('sizes and times are shares of the original in the table', () => {
    const report = syntheticReport({ blocks: 1 });
    const { sqnr, modelBytes } = report.totals;
    const table = summaryTable([
      { name: 'fp32', report: null, likeness: null, stepMs: 80 },
      { name: 'small', report, likeness: { mean: 31.26, worst: 18 }, stepMs: 20 },
    ]);
    const cells = table.split('\n').map((line) => line.split('│').map((cell) => cell.trim()));
    const rows = cells.filter(([, name]) => name === 'fp32' || name === 'small');
    const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
    const share = `${(modelBytes.after / modelBytes.before).toFixed(3)} ×`;
    expect(rows.map((row) => row.slice(1, -1))).to.deep.equal([
      ['fp32', '–', '–', '–', megabytes(modelBytes.before), '1.000 ×', '1.00 ×'],
      [
        'small',
        `${sqnr!.output.toFixed(1)} dB`,
        '31.3 dB',
        '18.0 dB',
        megabytes(modelBytes.after),
        share,
        '0.25 ×',
      ],
    ]);
  });

  it('a page of one report is that of the report', async () => {
    const report = syntheticReport({ blocks: 1 });
    const title = 'one & only';
    expect(await reportsPage([{ title, report }])).to.equal(await reportHtml(report, { title }));
  });
});
