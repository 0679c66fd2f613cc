import { spawnSync } from 'node:child_process';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { compareSequential } from '../../../../models/research/sequential/compare.js';
import { ROOT } from '../../../../scripts/process.js';
import { mean } from '../../../../src/math/decibels.js';
import '../../../harness/backends/backends.js';
import { tinyDit } from '../../../harness/models/tinyDit.js';
import { expectNoLeakAsync } from '../../../harness/run/memory.js';

describe('npm run sequential', () => {
  it('compares both ways to calibrate on the same pictures, and leaves nothing', async () => {
    await tf.setBackend('wasm');
    const model = await tinyDit();
    const watched = { signal: new AbortController().signal, onRun: () => {} };
    await expectNoLeakAsync(async () => {
      const plan = { preset: 'W4A8', lowRank: 0, samples: 24, steps: 2, seed: 7 } as const;
      const { plain, sequential, difference } = await compareSequential(model, plan, watched);
      for (const { pictures, velocity } of [plain, sequential]) {
        expect(pictures.length).to.equal(24);
        expect(velocity).to.be.within(20, 50);
      }
      const apart = sequential.pictures.map((dB, i) => dB - plain.pictures[i]!);
      expect(difference.value).to.be.closeTo(mean(apart), 1e-9);
      expect(difference.low).to.be.below(difference.value);
      expect(difference.high).to.be.above(difference.value);
    });
    model.dispose();
  });

  it('says what is wrong with its flags', () => {
    const args = ['--import', 'tsx', 'models/research/sequential/main.ts', '--samples', '3'];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
    expect(stderr).to.match(/sequential: --samples must be an integer ≥ 16, got 3/);
    expect(status).to.equal(2);
  });
});
