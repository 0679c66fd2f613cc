import { expect } from 'chai';
import { runNode } from '../harness/run/child.js';

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
});
