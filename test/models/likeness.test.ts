import { expect } from 'chai';
import { likenessOf } from '../../models/likeness.js';
import { byteOf } from '../../models/pixels.js';

describe('Pictures as they are seen', () => {
  it('pictures are compared one by one, as they are seen', () => {
    const exact = Float32Array.of(0, 0, 1, 1, -1, -1);
    // mean squared errors 1, 0.01 and, clipped, 0.005; the peak is 2
    const { mean, worst } = likenessOf(exact, Float32Array.of(1, -1, 0.9, 0.9, -3, -0.9), 3);
    const decibels = [1, 0.01, 0.005].map((error) => 10 * Math.log10(4 / error));
    expect(worst).to.be.closeTo(decibels[0]!, 1e-5);
    expect(mean).to.be.closeTo(decibels.reduce((a, b) => a + b) / 3, 1e-5);
    expect(likenessOf(exact, exact, 3).mean).to.equal(Number.POSITIVE_INFINITY);
  });

  it('bytes are rounded and clipped', () => {
    expect([-1, 0, 1].map(byteOf)).to.deep.equal([0, 128, 255]);
    expect([-1.5, 7, -0.997, 0.995].map(byteOf)).to.deep.equal([0, 255, 0, 254]);
  });
});
