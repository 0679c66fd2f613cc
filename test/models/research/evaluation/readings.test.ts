import { expect } from 'chai';
import {
  agreementOf,
  classAccuracy,
  joinedReadings,
} from '../../../../models/research/evaluation/readings.js';
import { InvalidArgumentError } from '../../../../src/index.js';

const described = (features: number[], classes: number[], attributes: number[] = []) => ({
  features: Float32Array.from(features),
  classes: Int32Array.from(classes),
  attributes: Int32Array.from(attributes),
});

describe('What the feature network reads', () => {
  // three pictures in two features: 5, 10 and √(7² + 1²) apart
  const originals = described([0, 0, 3, 4, 10, 3], [0, 1, 1], [2, -1, -1, 0, -1, 1]);

  it('feature distance is that of pairs over that of strangers', () => {
    const others = described([0, 1, 3, 4, 10, 5], [0, 1, 1], [2, -1, -1, 0, -1, 1]);
    const strangers = (5 + Math.hypot(10, 3) + Math.hypot(7, 1)) / 3;
    const { featureDistance } = agreementOf(originals, others);
    expect(featureDistance).to.be.closeTo((1 + 0 + 2) / 3 / strangers, 1e-12);
  });

  it('classes agree by picture, attributes where the original has them', () => {
    const others = described([0, 0, 3, 4, 10, 3], [0, 0, 1], [1, -1, 3, -1, -1, 1]);
    const { sameClass, sameAttributes } = agreementOf(originals, others);
    expect(sameClass).to.equal(2 / 3);
    expect(sameAttributes, '2 became 1, 0 was lost, 1 is 1').to.equal(1 / 3);
  });

  it('without attributes there is no share of them', () => {
    const plain = described([0, 0, 3, 4], [0, 1]);
    expect(agreementOf(plain, plain)).to.deep.equal({
      featureDistance: 0,
      sameClass: 1,
      sameAttributes: null,
    });
  });

  it('class accuracy is against the labels that were asked for', () => {
    expect(classAccuracy(Int32Array.of(3, 1, 2, 2), [3, 2, 2, 2])).to.equal(0.75);
  });

  it('batches are joined in order', () => {
    const [a, b] = [described([1, 2], [0], [5]), described([3, 4, 5, 6], [1, 2], [6, 7])];
    expect(joinedReadings([a, b])).to.deep.equal(
      described([1, 2, 3, 4, 5, 6], [0, 1, 2], [5, 6, 7]),
    );
  });

  it('unlike numbers of pictures are refused', () => {
    const one = described([0, 0], [0]);
    expect(() => agreementOf(originals, one)).to.throw(InvalidArgumentError, 'got 3 and 1');
    expect(() => agreementOf(one, one)).to.throw(InvalidArgumentError, 'two at least');
  });
});
