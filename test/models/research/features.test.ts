import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { expect } from 'chai';
import { AVATAR_STYLES } from '../../../models/classNames.js';
import { buildFeatureNetwork, FEATURES } from '../../../models/research/featureGraph.js';
import {
  FEATURE_NETWORKS,
  FeatureNetwork,
  type FeatureNetworkName,
  loadReference,
} from '../../../models/research/features.js';
import { AvatarArtist } from '../../../models/research/training/avatars.js';
import { expectNoLeakAsync } from '../../harness/run/memory.js';
import { rejection } from '../../harness/run/rejection.js';

/** Of each style a drawing that training did not see. */
const SEED = 2990;

describe('Feature networks', () => {
  before(() => tf.setBackend('wasm'));

  it('read the style and most attributes of drawings that training did not see', async () => {
    const network = await FeatureNetwork.load('avatars');
    const drawn = AVATAR_STYLES.map((style) =>
      new AvatarArtist(style).draw(`${style}:${SEED}`, 64),
    );
    const pictures = picturesOf(
      drawn.map(({ pixels }) => pixels),
      64,
    );
    const seen = await network.describe(pictures);
    expect([...seen.classes]).to.deep.equal(AVATAR_STYLES.map((_, label) => label));
    const read = [...seen.attributes].filter((value) => value >= 0);
    const drawnValues = drawn.flatMap(({ attributes }) => attributes);
    expect(read).to.have.length(drawnValues.length);
    const right = read.filter((value, i) => value === drawnValues[i]).length;
    expect(right / read.length).to.be.above(0.85);
    // another size of the same pictures, averaged outside
    const small = tf.avgPool(pictures, 2, 2, 'valid');
    expect(distance((await network.describe(small)).features, seen.features)).to.be.below(1e-4);
    await expectNoLeakAsync(() => network.describe(small));
    tf.dispose([pictures, small]);
    network.dispose();
  });

  for (const name of FEATURE_NETWORKS) {
    it(`${name}: the reference holds 4096 pictures of each part, alike in the mean`, async () => {
      const { count, train, heldOut } = await loadReference(name);
      expect([count, train.length, heldOut.length]).to.deep.equal([
        4096,
        4096 * FEATURES,
        4096 * FEATURES,
      ]);
      const [a, b] = [meanOf(train), meanOf(heldOut)];
      expect(Math.max(...a)).to.be.above(0.1);
      expect(distance(a, b))
        .to.be.above(0)
        .and.below(0.1 * distance(a, new Float32Array(FEATURES)));
    });
  }

  it('refuse an unknown name and pictures of another size', async () => {
    const error = await FeatureNetwork.load('faces' as FeatureNetworkName).catch((e: Error) => e);
    expect(`${error}`).to.include('name must be avatars or fashion, got faces');
    const network = await FeatureNetwork.load('fashion');
    const odd = tf.zeros<tf.Rank.R4>([1, 40, 40, 3]);
    const refused = await rejection(network.describe(odd));
    expect(refused.message).to.include('S a multiple of 32, got [1,40,40,3]');
    odd.dispose();
    network.dispose();
  });

  it('refuse weights of another shape', () => {
    const config = { classes: ['a', 'b'], heads: [] };
    expect(() => buildFeatureNetwork(config, new Map())).to.throw(
      'weight convs.0.weight must be of shape [32,3,3,3], got none',
    );
  });
});

function picturesOf(pixels: readonly Uint8Array[], size: number): tf.Tensor4D {
  const values = Float32Array.from(Buffer.concat(pixels), (byte) => byte / 127.5 - 1);
  return tf.tensor4d(values, [pixels.length, size, size, 3]);
}

function meanOf(features: Float32Array): Float32Array {
  const mean = new Float32Array(FEATURES);
  features.forEach((value, i) => {
    mean[i % FEATURES]! += (value * FEATURES) / features.length;
  });
  return mean;
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.hypot(...Array.from(a, (value, i) => value - b[i]!));
}
