import { expect } from 'chai';
import type { Progress } from '../../../ops/common/progress.js';
import { collecting } from '../../../src/bin/shared/collecting.js';

const AT: Progress = { stage: 'quantize', done: 1, total: 2, name: 'a' };
const MATRIX_BYTES = 2 ** 28;

describe('Progress of a process that looks after its memory', () => {
  const held = () => process.memoryUsage().arrayBuffers;

  it('is told, and matrices that nobody holds are gone by then', () => {
    const told: Progress[] = [];
    const tell = collecting((progress) => told.push(progress));
    // what else is garbage in this process goes first
    const garbage = [new Uint8Array(MATRIX_BYTES)];
    garbage.pop();
    tell(AT);
    tell(AT);
    const before = held();
    const kept = [new Uint8Array(MATRIX_BYTES)];
    tell(AT);
    expect(held() - before).to.be.above(0.9 * MATRIX_BYTES);
    kept.pop();
    tell(AT);
    expect(held() - before).to.be.below(MATRIX_BYTES / 2);
    expect(told).to.deep.equal([AT, AT, AT, AT]);
  });
});
