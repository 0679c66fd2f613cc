import { expect } from 'chai';
import { InvalidArgumentError } from '../../../src/index.js';
import {
  addEnergies,
  decibels,
  energiesOf,
  mean,
  noEnergies,
  psnrDecibels,
  sqnr,
  sqnrDecibels,
  sumOfEnergies,
} from '../../../src/math/decibels.js';
import { normal } from '../../harness/numbers/random.js';

describe('Decibels', () => {
  it('PSNR of an error of 0.2 everywhere is 20 dB: the peak is 2', () => {
    const exact = Float32Array.of(-1, 0, 0.5, 1);
    const energies = energiesOf(
      exact,
      exact.map((value) => value + 0.2),
    );
    expect(psnrDecibels(energies)).to.be.closeTo(20, 1e-5);
  });

  it('SQNR of an error of a tenth of the signal is 20 dB, whatever the signal', () => {
    const exact = normal(1000, 1);
    const energies = energiesOf(
      exact,
      exact.map((value) => 1.1 * value),
    );
    expect(sqnrDecibels(energies)).to.be.closeTo(20, 1e-4);
  });

  it('the energies of parts add up to those of the whole', () => {
    const [exact, other] = [normal(100, 2), normal(100, 3)];
    const parts = [0, 30, 55].map((start, i, starts) => {
      const end = starts[i + 1] ?? 100;
      return energiesOf(exact.subarray(start, end), other.subarray(start, end));
    });
    const whole = energiesOf(exact, other);
    const sum = sumOfEnergies(parts);
    expect(sum.count).to.equal(100);
    expect(sum.signal).to.be.closeTo(whole.signal, 1e-9);
    expect(sum.error).to.be.closeTo(whole.error, 1e-9);
  });

  it('numbers added a few at a time are one sum, to the bit', () => {
    const [exact, other] = [normal(100, 2), normal(100, 3)];
    const sums = noEnergies();
    for (const [start, end] of [
      [0, 1],
      [1, 55],
      [55, 55],
      [55, 100],
    ]) {
      addEnergies(sums, exact.subarray(start, end), other.subarray(start, end));
    }
    expect(sums).to.deep.equal(energiesOf(exact, other));
    expect(sqnr(exact, other)).to.equal(sqnrDecibels(sums));
  });

  it('a bias is no signal, and no error', () => {
    const sums = noEnergies();
    addEnergies(sums, [11, 22, 13, 24], [11, 22, 13, 23], [10, 20]);
    expect(sums).to.deep.equal({ signal: 1 + 4 + 9 + 16, error: 1, count: 4 });
  });

  it('PSNR of bytes has their peak', () => {
    const energies = energiesOf(Uint8Array.of(0, 255), Uint8Array.of(0, 0));
    expect(psnrDecibels(energies, { peak: 255 })).to.be.closeTo(10 * Math.log10(2), 1e-12);
    expect(decibels(100)).to.equal(20);
  });

  it('equal pictures are infinitely near', () => {
    const energies = energiesOf(Float32Array.of(1, 2), Float32Array.of(1, 2));
    expect(psnrDecibels(energies)).to.equal(Number.POSITIVE_INFINITY);
    expect(sqnrDecibels(energies)).to.equal(Number.POSITIVE_INFINITY);
  });

  it('arrays of other lengths are refused', () => {
    const compare = () => energiesOf(new Float32Array(3), new Float32Array(2));
    expect(compare).to.throw(
      InvalidArgumentError,
      'approximate must be as long as exact, 3, got 2',
    );
  });

  it('mean is the arithmetic one', () => {
    expect(mean([1, 2, 6])).to.equal(3);
  });
});
