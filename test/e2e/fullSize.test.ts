import { expect } from 'chai';
import { provisionBrowser } from '../../scripts/provision/browser.js';
import { runNode } from '../harness/run/child.js';

const browserResult = await provisionBrowser((line) => console.log(line));

const SCRIPT = 'test/bench/fullSize.ts';

describe('npm run full-size', () => {
  it('takes a seeded checkpoint to a packed model that runs a step, and tells what it took', () => {
    const flags = [
      '--model',
      'tiny',
      '--backend',
      'wasm',
      '--method',
      'hadanorm',
      '--batches',
      '2',
    ];
    const { stdout } = runNode(['--import', 'tsx', SCRIPT, ...flags]);
    expect(stdout).to.match(/checkpoint: \d+\.\d+ GB, F16/);
    expect(stdout).to.match(/quantized: \d+\.\d s, \d+\.\d s of the cores, peak \d+\.\d+ GB/);
    expect(stdout).to.match(/of the cores: load .* calibrate .* quantize /);
    expect(stdout).to.match(/of that: load .* calibrate .* quantize /);
    expect(stdout).to.match(/output SQNR: [2-6]\d\.\d+ dB on average/);
    expect(stdout).to.match(/one step: /);
  });

  const page =
    "in a page's worker it does the same, is cancelled, and is kept, loaded and saved again";
  if (!browserResult.available) it.skip(`${page} SKIPPED: ${browserResult.reason}`);
  else
    it(page, () => {
      const flags = ['--browser', '--model', 'tiny', '--method', 'hadanorm', '--batches', '2'];
      const { stdout } = runNode(['--import', 'tsx', SCRIPT, ...flags]);
      for (const what of ['quantizing', 'loading', 'saving']) {
        expect(stdout).to.match(new RegExp(`${what}, cancelled: stopped within \\d+\\.\\d+ s`));
      }
      for (const what of ['quantized', 'saved', 'loaded', 'saved again', 'one step']) {
        expect(stdout).to.match(new RegExp(`^${what}: \\d+\\.\\d+ s, page still `, 'm'));
      }
      expect(stdout).to.match(/output SQNR: [2-6]\d\.\d+ dB on average/);
    });
});
