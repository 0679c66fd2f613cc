import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { type CalibrationStats, calibrate } from '../../../src/index.js';
import { describeOnBackends } from '../backends/onBackends.js';
import { loaded } from '../graphs/run.js';
import { hasSinesOfGpu, SINE_BOUND } from '../graphs/sines.js';
import type { ZooEntry } from '../graphs/zoo.js';
import { sitesFurthest } from './statsAcross.js';

/** Of each site's RMS: what the backends' float32 may differ by. */
const BOUND = 1e-4;

/** Tests that every backend gathers of these models what cpu does, and keeps the same samples. */
export function testStats(entries: readonly ZooEntry[]): void {
  const wanted = new Map<ZooEntry, CalibrationStats>();

  describeOnBackends('calibrate', (backend) => {
    for (const entry of entries) {
      it(`gathers what cpu gathers: ${entry.title}`, async () => {
        const stats = await statsOf(entry, backend);
        const exact = wanted.get(entry) ?? (await statsOf(entry, 'cpu'));
        wanted.set(entry, exact);
        expect(stats.sites.size).to.be.above(0);
        expect([...stats.sites.values()].every(({ kept }) => kept.length > 0)).to.equal(true);
        const bound = hasSinesOfGpu(entry, backend) ? SINE_BOUND : BOUND;
        expect(sitesFurthest(stats, exact)).to.be.at.most(bound);
      });
    }
  });
}

/** Of more samples than are kept, so that every backend has to choose. */
async function statsOf({ build }: ZooEntry, backend: string): Promise<CalibrationStats> {
  await tf.setBackend(backend);
  const { artifacts, inputs, tokens } = build();
  const model = await loaded(artifacts);
  const batches = [1, 2, 3].map((seed) => inputs(2, tokens[0]!, seed));
  try {
    return await calibrate(model, batches, { disposeBatches: true, samples: 4 });
  } finally {
    model.dispose();
  }
}
