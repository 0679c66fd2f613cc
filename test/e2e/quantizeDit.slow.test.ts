import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { PNG } from 'pngjs';
import { parseReport } from '../../src/index.js';
import { runNode } from '../harness/child.js';

describe('The main example, npm start', function () {
  this.timeout(600_000);
  let out = '';
  let stdout = '';
  before(() => {
    out = mkdtempSync(join(tmpdir(), 'tfjs-hadanorm-out-'));
    const flags = ['--steps', '6', '--out', out];
    stdout = runNode(['--import', 'tsx', join('examples', 'quantizeDit.ts'), ...flags]).stdout;
  });
  after(() => rmSync(out, { recursive: true, force: true }));

  it('draws closer to the original with HadaNorm at W4A8 than rounding to nearest, by 3 dB', () => {
    const psnr = (name: string) =>
      Number(new RegExp(`^${name}: PSNR to the original ([\\d.]+) dB`, 'm').exec(stdout)?.[1]);
    expect(psnr('hadanorm')).to.be.at.least(psnr('rtn') + 3);
    expect(stdout).to.match(/attention\.qkv .* whole model/s);
  });

  it('a step on integer kernels takes less than two thirds of the time of the original', () => {
    const ratio = (name: string) =>
      Number(new RegExp(`^${name}: .* a step takes ([\\d.]+) × `, 'm').exec(stdout)?.[1]);
    expect(ratio('rtn')).to.be.within(0.01, 0.66);
    expect(ratio('hadanorm')).to.be.within(0.01, 0.66);
  });

  it('writes a picture of three rows of eight, a report and the packed model', () => {
    const png = PNG.sync.read(readFileSync(join(out, 'samples.png')));
    expect([png.width, png.height]).to.deep.equal([8 * 32 * 3, 3 * 32 * 3]);
    expect(new Set(png.data).size, 'different bytes').to.be.above(100);
    const report = parseReport(readFileSync(join(out, 'report.json'), 'utf8'));
    expect(report.linears).to.have.length(35);
    expect(readFileSync(join(out, 'report.html'), 'utf8')).to.include('<svg');
    const files = readdirSync(join(out, 'model'));
    const bytes = files
      .filter((file) => file.endsWith('.bin'))
      .reduce((sum, file) => sum + statSync(join(out, 'model', file)).size, 0);
    expect(bytes).to.equal(report.totals.modelBytes.after);
    expect(bytes / report.totals.modelBytes.before).to.be.below(0.2);
  });
});
