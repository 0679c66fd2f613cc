import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { PNG } from 'pngjs';
import { ROOT } from '../../scripts/process.js';
import { parseReport } from '../../src/index.js';
import { CHILD_ENV, runNode } from '../harness/run/child.js';

const COMMAND = ['--import', 'tsx', join('examples', 'quantizeDit.ts')];
const NUMBER = '([\\d.]+)';

describe('The main example, npm start', function () {
  this.timeout(600_000);
  let out = '';
  let stdout = '';
  before(() => {
    out = mkdtempSync(join(tmpdir(), 'tfjs-hadanorm-out-'));
    stdout = runNode([...COMMAND, '--steps', '6', '--out', out]).stdout;
  });
  after(() => rmSync(out, { recursive: true, force: true }));

  /**
   * A row of the last table: SQNR, mean and worst PSNR in dB, MB, and size and time as shares of
   * the original's.
   */
  const rowOf = (name: string): number[] => {
    const units = ['dB', 'dB', 'dB', 'MB', '×', '×'];
    const cells = units.map((unit) => `${NUMBER} ${unit}`);
    const found = new RegExp([name, ...cells].join('\\s*│\\s*')).exec(stdout);
    expect(found, `a row of ${name} in\n${stdout}`).not.to.equal(null);
    return found!.slice(1).map(Number);
  };

  for (const [bits, decibels] of [
    ['W4A8', 3],
    ['W4A4', 2],
  ] as const) {
    it(`${bits}: ${decibels} dB nearer to the original than by rounding to nearest`, () => {
      const [nearest, ours] = [rowOf(`rtn ${bits}`), rowOf(`hadanorm ${bits}`)];
      expect(ours[1]).to.be.at.least(nearest[1]! + decibels);
      expect(ours[0], 'SQNR of linears').to.be.at.least(nearest[0]! + 3);
    });

    it(`a step on integer kernels takes under two thirds of the original's: ${bits}`, () => {
      for (const method of ['rtn', 'hadanorm']) {
        expect(rowOf(`${method} ${bits}`)[5]).to.be.within(0.01, 0.66);
      }
    });

    it(`writes the report and the packed model of ${bits}`, () => {
      const report = parseReport(readFileSync(join(out, `report-${bits}.json`), 'utf8'));
      expect(report.linears).to.have.length(35);
      const folder = join(out, `model-${bits}`);
      const bytes = readdirSync(folder)
        .filter((file) => file.endsWith('.bin'))
        .reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
      expect(bytes).to.equal(report.totals.modelBytes.after);
      const [, , , megabytes, share] = rowOf(`hadanorm ${bits}`);
      expect(megabytes).to.be.closeTo(bytes / 1e6, 0.006);
      expect(share)
        .to.be.closeTo(bytes / report.totals.modelBytes.before, 0.0006)
        .and.to.be.below(0.2);
    });
  }

  it('prints a report by role for each of the bits, then the rows of the picture', () => {
    const parts = ['W4A8: ', 'attention.qkv', 'whole model', 'W4A4: ', 'mlp.out', 'whole model'];
    const rows = ['fp32', 'rtn W4A8', 'hadanorm W4A8', 'rtn W4A4', 'hadanorm W4A4'];
    let from = 0;
    for (const part of [...parts, ...rows]) {
      from = stdout.indexOf(part, from);
      expect(from, part).to.be.at.least(0);
    }
  });

  it('writes five rows of eight pictures, and one page of both reports', () => {
    const png = PNG.sync.read(readFileSync(join(out, 'samples.png')));
    const [size, label] = [128, 27];
    expect([png.width, png.height]).to.deep.equal([8 * size, 5 * (label + size)]);
    expect(new Set(png.data).size, 'different bytes').to.be.above(100);
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    expect(page.match(/<h1>.*<\/h1>/g)).to.deep.equal([
      '<h1>avatars-nano, W4A8</h1>',
      '<h1>avatars-nano, W4A4</h1>',
    ]);
    expect(page.match(/<main>|<\/main>|<\/html>/g)).to.have.length(3);
    expect(page).to.include('<title>avatars-nano, W4A8; avatars-nano, W4A4</title>');
    expect(page.match(/<svg[^>]*role="img"/g)!.length).to.be.above(8);
  });

  it('stops at Ctrl-C, and writes nothing', async () => {
    const folder = join(out, 'stopped');
    const child = spawn(process.execPath, [...COMMAND, '--out', folder], {
      cwd: ROOT,
      env: CHILD_ENV,
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    await new Promise<void>((resolve) => {
      child.stdout.setEncoding('utf8').once('data', () => resolve());
      child.once('close', () => resolve());
    });
    child.kill('SIGINT');
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, existsSync(folder)], stderr).to.deep.equal([130, false]);
    expect(stderr).to.include('Stopped; nothing was written.');
  });
});
