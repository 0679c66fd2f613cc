import { expect } from 'chai';
import {
  columns,
  isSurelyBehind,
  pickedOutputs,
  type SampledErrors,
  sampledErrors,
} from '../../../src/quantize/sampledOutputs.js';
import { normal } from '../../harness/numbers/random.js';

/** Errors of channels, all about one size but for what each adds. */
function errors(count: number, size: number, spread: number, seed: number): SampledErrors {
  const noise = normal(count, seed);
  const each = Float64Array.from(noise, (v) => (size + spread * v) / count);
  return { errors: each, isAll: false };
}

describe('What some outputs say of all', () => {
  it('they are spread evenly, and all where there are few', () => {
    expect(pickedOutputs(128)).to.equal(null);
    const picked = pickedOutputs(1152)!;
    expect([picked.length, picked[0], picked[127]]).to.deep.equal([128, 4, 1147]);
    const matrix = Float32Array.from({ length: 6 }, (_, i) => i);
    expect([...columns(matrix, 2, 3, Int32Array.of(0, 2))]).to.deep.equal([0, 2, 3, 5]);
  });

  it('errors are those of each channel, over the energy of all', () => {
    const exact = Float32Array.of(1, 2, 3, 4);
    const output = Float32Array.of(1, 1, 2, 4);
    const made = sampledErrors(exact, output, 2, true);
    expect([...made.errors]).to.deep.equal([1 / 30, 1 / 30]);
  });

  it('what is told apart is a difference beyond its own scatter, and beyond the decibels', () => {
    const [best, near, far] = [1, 1.02, 1.5].map((size, i) => [errors(128, size, 0.2, i)]);
    expect(isSurelyBehind(far!, best!, 0.05)).to.equal(true);
    expect(isSurelyBehind(near!, best!, 0.05)).to.equal(false);
    expect(isSurelyBehind(best!, far!, 0.05)).to.equal(false);
    expect(isSurelyBehind(far!, best!, 2)).to.equal(false);
  });

  it('channels are compared with themselves: what is hard in both ways tells nothing', () => {
    const own = errors(128, 1, 0.5, 3);
    const worse = { errors: own.errors.map((error) => 1.1 * error), isAll: false };
    expect(isSurelyBehind([worse], [own], 0.05)).to.equal(true);
    const other = errors(128, 1.1, 0.5, 4);
    expect(isSurelyBehind([other], [own], 0.05)).to.equal(false);
  });

  it('of all channels nothing is unsure, and NaN is never sure', () => {
    const all = (size: number) => [{ errors: Float64Array.of(size, 0), isAll: true }];
    expect(isSurelyBehind(all(1.02), all(1), 0.05)).to.equal(true);
    expect(isSurelyBehind(all(1.01), all(1), 0.05)).to.equal(false);
    expect(isSurelyBehind(all(Number.NaN), all(1), 0.05)).to.equal(false);
  });
});
