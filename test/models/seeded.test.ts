import { expect } from 'chai';
import { type DitConfig, ditWeightShapes } from '../../models/builder/dit.js';
import { DIT_S_2, DIT_XL_2, seededDitWeights } from '../../models/seeded.js';
import { InvalidArgumentError } from '../../src/index.js';
import { mean, std } from '../harness/numbers/statistics.js';

const CONFIG: DitConfig = { ...DIT_S_2, depth: 2, numClasses: 10 };
const D = CONFIG.hiddenSize;

describe('Seeded DiT weights', () => {
  const weights = seededDitWeights(CONFIG, 7);
  const values = (name: string) => weights.get(name)!.values;

  it('are all of the config, finite, and none of them zero throughout', () => {
    expect([...weights].map(([name, { shape }]) => [name, shape])).to.deep.equal([
      ...ditWeightShapes(CONFIG),
    ]);
    for (const [name, weight] of weights) {
      expect(weight.values.every(Number.isFinite), name).to.equal(true);
      expect(std(weight.values), name).to.be.above(0.01);
    }
  });

  it('are the same for a seed, others for another, and do not depend on the depth', () => {
    const deeper = seededDitWeights({ ...CONFIG, depth: 3 }, 7);
    for (const [name, weight] of weights) {
      expect(deeper.get(name)!.values, name).to.deep.equal(weight.values);
    }
    const name = 'blocks.1.mlp.fc1.weight';
    expect(seededDitWeights(CONFIG, 8).get(name)!.values).not.to.deep.equal(values(name));
    expect(values('blocks.0.mlp.fc1.weight')).not.to.deep.equal(values(name));
  });

  it('linears are Xavier-like, with input channels of unlike scale', () => {
    const weight = values('blocks.0.mlp.fc1.weight');
    expect(std(weight)).to.be.closeTo(Math.sqrt(2 / (5 * D)), 0.01);
    const columns = Array.from({ length: D }, (_, i) => std(weight.filter((_, j) => j % D === i)));
    expect(std(columns.map(Math.log))).to.be.within(0.25, 0.35);
  });

  it('(1 + scale) has a few outlier channels, shifts too, and gates are near 0.3', () => {
    const bias = values('blocks.0.adaLN_modulation.1.bias');
    const part = (i: number) => bias.slice(i * D, (i + 1) * D);
    for (const first of [0, 3]) {
      expect(std(part(first))).to.be.within(0.4, 1);
      const scales = part(first + 1).map((v) => 1 + v);
      expect(Math.min(...scales)).to.be.above(0);
      const outliers = scales.filter((v) => v > 3.5).length;
      expect(outliers).to.be.within(1, D / 20);
      expect(Math.max(...scales)).to.be.within(3.5, 30);
      expect(mean(part(first + 2))).to.be.closeTo(0.3, 0.02);
    }
    expect(std(values('blocks.0.adaLN_modulation.1.weight'))).to.be.closeTo(0.02, 0.001);
  });

  it('published sizes have the published numbers of parameters', () => {
    expect(parameters(DIT_S_2) / 1e6).to.be.closeTo(33, 1);
    expect(parameters(DIT_XL_2) / 1e6).to.be.closeTo(675, 2);
  });

  it('a width that sine–cosine positions cannot fill gets a typed error', () => {
    const config = { ...CONFIG, hiddenSize: 6, numHeads: 3 };
    expect(() => seededDitWeights(config, 1)).to.throw(InvalidArgumentError, 'a multiple of 4');
  });
});

function parameters(config: DitConfig): number {
  return [...ditWeightShapes(config).values()].reduce(
    (sum, shape) => sum + shape.reduce((size, dim) => size * dim, 1),
    0,
  );
}
