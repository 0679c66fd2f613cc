import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import {
  buildDit,
  type DitConfig,
  ditConfigOf,
  type WeightValues,
} from '../../../models/builder/dit.js';
import { seededDitWeights } from '../../../models/seeded.js';
import type { VelocityModel } from '../../../src/diffusion/sampler.js';
import { InvalidArgumentError } from '../../../src/index.js';
import { describeOnBackends } from '../../harness/backends/onBackends.js';
import { type InputValues, velocity } from '../../harness/models/velocity.js';
import { expectWithin, maxError, maxMagnitude } from '../../harness/numbers/compare.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { expectNoLeak } from '../../harness/run/memory.js';

const TINY: DitConfig = {
  inputSize: 6,
  patchSize: 2,
  channels: 3,
  hiddenSize: 24,
  depth: 2,
  numHeads: 3,
  mlpRatio: 2,
  numClasses: 4,
};
const WEIGHTS = seededDitWeights(TINY, 1);

const STYLES: readonly Pick<DitConfig, 'linear' | 'attention'>[] = [
  { linear: 'fusedMatMul', attention: 'separate' },
  { linear: 'matMul' },
  { linear: 'matMul', attention: 'separate' },
  { linear: 'batchMatMul' },
  { linear: 'batchMatMul', attention: 'separate' },
  { linear: 'einsum' },
  { linear: 'einsum', attention: 'fusedQkv' },
];

describeOnBackends('DiT', (backend) => {
  for (const style of STYLES) {
    const { linear, attention } = style;
    if (linear === 'einsum' && backend === 'wasm') {
      it.skip("SKIPPED: tfjs's wasm backend has no Einsum");
      continue;
    }
    it(`linears as ${linear}, attention ${attention ?? 'by default'}: the same within 1e-4`, () => {
      const [expected, values] = [TINY, { ...TINY, ...style }].map((config) =>
        withTiny(config, (model) => velocity(model, tinyInputs(2))),
      );
      expect(maxMagnitude(expected!)).to.be.above(0.1);
      expectWithin(values!, expected!, 1e-4);
    });
  }

  it('any number of samples runs, each as if it were alone', () => {
    withTiny(TINY, (model) => {
      const together = velocity(model, tinyInputs(3));
      const alone = velocity(model, tinyInputs(1));
      expect(together.length).to.equal(3 * alone.length);
      expectWithin(together.subarray(0, alone.length), alone, 1e-5);
    });
  });

  it('timestep and label both change the velocity', () => {
    withTiny(TINY, (model) => {
      const inputs = tinyInputs(1);
      const original = velocity(model, inputs);
      const later = { ...inputs, timestep: { shape: [1], values: Float32Array.of(0.9) } };
      const other = { ...inputs, label: { shape: [1], values: Float32Array.of(3) } };
      for (const changed of [later, other]) {
        expect(maxError(velocity(model, changed), original)).to.be.above(1e-3);
      }
    });
  });
});

describe('buildDit', () => {
  it('tells its config in userDefinedMetadata', () => {
    const { userDefinedMetadata } = buildDit(TINY, WEIGHTS);
    expect(userDefinedMetadata).to.deep.equal({ dit: TINY });
  });

  it('the weights tell the config, but for the heads', () => {
    expect(ditConfigOf(WEIGHTS, 3)).to.deep.equal(TINY);
  });

  const configs: [string, Partial<Record<keyof DitConfig, unknown>>, string][] = [
    ['a size that is no size', { depth: 1.5 }, 'depth must be an integer ≥ 1, got 1.5'],
    ['patches that do not fill', { patchSize: 4 }, 'inputSize must be a multiple of patchSize 4'],
    ['heads that do not divide', { numHeads: 5 }, 'hiddenSize must be a multiple of numHeads 5'],
    ['an MLP of half a channel', { mlpRatio: 0.3 }, 'mlpRatio must be such that'],
    ['an unknown style', { linear: 'conv' }, 'linear must be fusedMatMul or matMul or'],
    ['an unknown attention', { attention: 'flash' }, 'attention must be fusedQkv or separate'],
  ];
  for (const [what, part, message] of configs) {
    it(`${what} gets a typed error`, () => {
      const config = { ...TINY, ...part } as DitConfig;
      expect(() => buildDit(config, WEIGHTS)).to.throw(InvalidArgumentError, message);
    });
  }

  const weights: [string, (all: Map<string, WeightValues>) => void, string][] = [
    [
      'a missing weight',
      (all) => all.delete('blocks.1.attn.qkv.bias'),
      'weight blocks.1.attn.qkv.bias must be of shape [72], got none',
    ],
    [
      'a weight of another shape',
      (all) => all.set('pos_embed', { shape: [9, 24], values: new Float32Array(9 * 24) }),
      'weight pos_embed must be of shape [1,9,24], got [9,24]',
    ],
    [
      'values that do not fill the shape',
      (all) => all.set('pos_embed', { shape: [1, 9, 24], values: new Float32Array(3) }),
      'values of pos_embed must be 216 long, got 3',
    ],
    [
      'a weight of a deeper model',
      (all) => all.set('blocks.2.attn.proj.bias', { shape: [24], values: new Float32Array(24) }),
      'got blocks.2.attn.proj.bias too',
    ],
  ];
  for (const [what, change, message] of weights) {
    it(`${what} gets a typed error`, () => {
      const changed = new Map(WEIGHTS);
      change(changed);
      expect(() => buildDit(TINY, changed)).to.throw(InvalidArgumentError, message);
    });
  }
});

function tinyInputs(samples: number): InputValues {
  const { inputSize: size, channels } = TINY;
  const shape = [samples, size, size, channels];
  return {
    latent: { shape, values: normal(sizeOf(shape), 5) },
    timestep: { shape: [samples], values: Float32Array.of(0.1, 0.5, 1).slice(0, samples) },
    label: { shape: [samples], values: Float32Array.of(0, 4, 2).slice(0, samples) },
  };
}

/** Builds, loads and runs a tiny model, and checks that disposing it leaves nothing behind. */
function withTiny<T>(config: DitConfig, body: (model: VelocityModel) => T): T {
  return expectNoLeak(() => {
    const model = new tf.GraphModel(tf.io.fromMemorySync(buildDit(config, WEIGHTS)));
    model.load();
    const result = body(model);
    model.dispose();
    return result;
  });
}
