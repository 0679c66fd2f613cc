import { add, mul, type Tensor1D, type Tensor4D, tensor, tidy } from '@tensorflow/tfjs-core';
import { normalNumbers } from '../../../ops/numerics/random.js';
import type { DitInputs } from '../../../src/diffusion/sampler.js';
import { InvalidArgumentError } from '../../../src/index.js';
import { AVATAR_STYLES } from '../../classNames.js';
import { AvatarArtist } from '../training/avatars.js';

/** Times at which the models are looked at: 0 is noise, 1 is data. */
export const TIMES = [0.05, 0.25, 0.5, 0.75, 0.95] as const;

/** Drawn at this size; a smaller model's pictures are this one averaged, as it learned them. */
const DRAWN_SIZE = 64;

/** Pictures with their labels. */
export interface LabelledPictures {
  readonly size: number;
  /** RGB in [−1, 1], [count, size, size, 3]. */
  readonly pixels: Float32Array;
  readonly labels: readonly number[];
}

/**
 * Avatars as the models learned them.
 *
 * @param seeds `[label, i]`: the i-th picture of a style; 0 to 2699 were trained on, 2700 to 2999
 * kept from training.
 * @param size Height and width: 64, or that halved.
 * @throws InvalidArgumentError for another size, or a label without a style.
 */
export function drawPictures(
  seeds: readonly (readonly [label: number, i: number])[],
  size: number,
): LabelledPictures {
  if (size !== DRAWN_SIZE && size !== DRAWN_SIZE / 2) {
    throw new InvalidArgumentError('drawPictures', 'size', '64 or 32', `${size}`);
  }
  const artists = new Map<number, AvatarArtist>();
  const pixels = new Float32Array(seeds.length * 3 * size * size);
  for (const [at, [label, i]] of seeds.entries()) {
    const style = AVATAR_STYLES[label];
    if (style === undefined) {
      throw new InvalidArgumentError('drawPictures', 'seeds', 'of labels 0 to 15', `${label}`);
    }
    const artist = artists.get(label) ?? new AvatarArtist(style);
    artists.set(label, artist);
    const drawn = artist.draw(`${style}:${i}`, DRAWN_SIZE).pixels;
    const kept = size === DRAWN_SIZE ? drawn : halved(drawn, DRAWN_SIZE);
    pixels.set(
      Float32Array.from(kept, (v) => v / 127.5 - 1),
      at * kept.length,
    );
  }
  return { size, pixels, labels: seeds.map(([label]) => label) };
}

/**
 * A batch of a model's inputs for each time: x_t = t x + (1 − t) z, z normal noise of its own for
 * each picture and time. The tensors are the caller's.
 */
export function* flowBatches(
  { size, pixels, labels }: LabelledPictures,
  times: readonly number[],
  seed: number,
): Generator<DitInputs> {
  const next = normalNumbers(seed);
  const shape = [labels.length, size, size, 3];
  for (const time of times) {
    const noise = Float32Array.from(pixels, next);
    yield tidy(() => ({
      latent: add<Tensor4D>(mul(tensor(pixels, shape), time), mul(tensor(noise, shape), 1 - time)),
      timestep: tensor(labels.map(() => time)) as Tensor1D,
      label: tensor([...labels], undefined, 'int32') as Tensor1D,
    }));
  }
}

/** u8 [size, size, 3] averaged 2×2. */
function halved(pixels: Uint8Array, size: number): Uint8Array {
  const half = size / 2;
  const row = 3 * size;
  return Uint8Array.from({ length: 3 * half * half }, (_, at) => {
    const [y, x, c] = [Math.floor(at / (3 * half)), Math.floor(at / 3) % half, at % 3];
    const from = 2 * y * row + 6 * x + c;
    const sum = pixels[from]! + pixels[from + 3]! + pixels[from + row]! + pixels[from + row + 3]!;
    return (sum + 2) >> 2;
  });
}
