import { readFile } from 'node:fs/promises';
import { type GraphModel, loadGraphModel } from '@tensorflow/tfjs-converter';
import { avgPool, dispose, io, type Tensor, type Tensor4D, tidy } from '@tensorflow/tfjs-core';
import { fromHalfBits } from '../../ops/numerics/half.js';
import { HadaNormError, InvalidArgumentError } from '../../src/index.js';
import { fileSystem } from '../../src/node.js';
import { FEATURE_PICTURE_SIZE, FEATURES, type FeatureNetworkConfig } from './featureGraph.js';

/** The feature networks that are in this folder; 'avatars' reads what every avatar model draws. */
export const FEATURE_NETWORKS = ['avatars', 'fashion'] as const;

/** The name of a feature network. */
export type FeatureNetworkName = (typeof FEATURE_NETWORKS)[number];

/** What the network sees in n pictures. */
export interface Described {
  /** [n, 128]. */
  readonly features: Float32Array;
  /** The label of each picture, as read: [n]. */
  readonly classes: Int32Array;
  /**
   * By head of `config.heads` the value's index, −1 where the head is of another class than the one
   * read: [n, heads].
   */
  readonly attributes: Int32Array;
}

/** Features of real pictures, [count, 128] each. */
export interface FeatureReference {
  readonly count: number;
  /** Of pictures that the models learned from. */
  readonly train: Float32Array;
  /** Of pictures that were kept from them. */
  readonly heldOut: Float32Array;
}

/**
 * A small network that reads the class and the attributes of a picture; its features are what FID
 * and KID compare.
 */
export class FeatureNetwork {
  private constructor(
    readonly config: FeatureNetworkConfig,
    private readonly model: GraphModel,
  ) {}

  /**
   * On the current backend, in Node. @throws InvalidArgumentError for a name that is none of
   * `FEATURE_NETWORKS`.
   */
  static async load(name: FeatureNetworkName): Promise<FeatureNetwork> {
    const artifacts = await fileSystem(folderOf(name)).load();
    const { features: config } = artifacts.userDefinedMetadata as {
      features: FeatureNetworkConfig;
    };
    return new FeatureNetwork(config, await loadGraphModel(io.fromMemory(artifacts)));
  }

  /**
   * @param pictures float32 [n, S, S, 3] in [−1, 1]; S is a multiple of 32, larger ones are
   * averaged down.
   * @throws InvalidArgumentError for pictures of another size.
   */
  async describe(pictures: Tensor4D): Promise<Described> {
    const [n, height, width, channels] = pictures.shape;
    const factor = width / FEATURE_PICTURE_SIZE;
    if (height !== width || !Number.isInteger(factor) || channels !== 3) {
      const wanted = `[n, S, S, 3], S a multiple of ${FEATURE_PICTURE_SIZE}`;
      throw new InvalidArgumentError('FeatureNetwork', 'pictures', wanted, `[${pictures.shape}]`);
    }
    const outputs = tidy(() => {
      const picture = factor === 1 ? pictures : avgPool(pictures, factor, factor, 'valid');
      return this.model.predict({ picture }) as Tensor[];
    });
    const [features, classLogits, attributeLogits] = await valuesOf(outputs);
    const classes = largestOf(classLogits!, n, 0, this.config.classes.length);
    return {
      features: Float32Array.from(features!),
      classes,
      attributes: this.attributesOf(classes, attributeLogits),
    };
  }

  dispose(): void {
    this.model.dispose();
  }

  private attributesOf(classes: Int32Array, logits: Float32Array | undefined): Int32Array {
    const { heads } = this.config;
    const read = new Int32Array(classes.length * heads.length).fill(-1);
    let start = 0;
    heads.forEach(({ label, values }, head) => {
      const found = largestOf(logits!, classes.length, start, values.length);
      classes.forEach((own, i) => {
        if (own === label) read[i * heads.length + head] = found[i]!;
      });
      start += values.length;
    });
    return read;
  }
}

/**
 * The features of real pictures that ship with a network;
 * models/research/training/convertFeatures.ts wrote them.
 *
 * @throws HadaNormError when the file is cut off.
 */
export async function loadReference(name: FeatureNetworkName): Promise<FeatureReference> {
  const file = new URL('reference.bin', folderOf(name));
  const bytes = await readFile(file);
  const half = bytes.length / 2;
  const count = half / (2 * FEATURES);
  if (!Number.isInteger(count) || count === 0) {
    const what = `${file.pathname} holds ${bytes.length} bytes`;
    const wanted = `two halves of rows of ${2 * FEATURES}`;
    throw new HadaNormError('loadReference', `${what}, not ${wanted}; get it again.`);
  }
  const floats = Float32Array.from({ length: half }, (_, i) =>
    fromHalfBits(bytes.readUInt16LE(2 * i)),
  );
  const size = count * FEATURES;
  return { count, train: floats.slice(0, size), heldOut: floats.slice(size) };
}

/** What tensors hold, which are disposed of. */
async function valuesOf(tensors: readonly Tensor[]): Promise<Float32Array[]> {
  try {
    return await Promise.all(tensors.map((one) => one.data<'float32'>()));
  } finally {
    dispose([...tensors]);
  }
}

function folderOf(name: FeatureNetworkName): URL {
  if (!FEATURE_NETWORKS.includes(name)) {
    const wanted = FEATURE_NETWORKS.join(' or ');
    throw new InvalidArgumentError('FeatureNetwork', 'name', wanted, `${name}`);
  }
  return new URL(`./${name}-features/`, import.meta.url);
}

/** Of each of n rows of logits, the index of the largest of `count` from `start` on. */
function largestOf(logits: Float32Array, n: number, start: number, count: number): Int32Array {
  const width = logits.length / n;
  return Int32Array.from({ length: n }, (_, row) => {
    const own = logits.subarray(row * width + start, row * width + start + count);
    return own.indexOf(Math.max(...own));
  });
}
