import { InvalidArgumentError } from '../../../src/index.js';
import type { Described } from '../features.js';

/** What a feature network reads in pictures, against what it reads in the originals. */
export interface Agreement {
  /** Mean Euclidean distance of paired features, over that of two originals of different noise. */
  readonly featureDistance: number;
  /** Share of the pictures in which the same class is read. */
  readonly sameClass: number;
  /** Share of the attributes of the originals that are read the same; null where there are none. */
  readonly sameAttributes: number | null;
}

/**
 * Compares what was read in pictures with what was read in the originals.
 *
 * @throws InvalidArgumentError for fewer than two pictures, or not as many of both.
 */
export function agreementOf(originals: Described, others: Described): Agreement {
  const count = originals.classes.length;
  if (count < 2 || others.classes.length !== count) {
    const got = `${count} and ${others.classes.length}`;
    throw new InvalidArgumentError('agreementOf', 'pictures', 'as many of both, two at least', got);
  }
  const width = originals.features.length / count;
  const distance = (a: Float32Array, i: number, b: Float32Array, j: number) => {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += (a[i * width + k]! - b[j * width + k]!) ** 2;
    return Math.sqrt(sum);
  };
  let [paired, unpaired, same] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    paired += distance(originals.features, i, others.features, i);
    if (originals.classes[i] === others.classes[i]) same++;
    for (let j = 0; j < i; j++) unpaired += distance(originals.features, i, originals.features, j);
  }
  return {
    featureDistance: paired / count / (unpaired / ((count * (count - 1)) / 2)),
    sameClass: same / count,
    sameAttributes: sameAttributes(originals.attributes, others.attributes),
  };
}

/** The share of pictures that are read as what was asked for. */
export function classAccuracy(classes: Int32Array, labels: readonly number[]): number {
  return classes.filter((read, i) => read === labels[i]).length / labels.length;
}

function sameAttributes(originals: Int32Array, others: Int32Array): number | null {
  let [all, same] = [0, 0];
  originals.forEach((value, i) => {
    if (value === -1) return;
    all++;
    if (others[i] === value) same++;
  });
  return all === 0 ? null : same / all;
}

/** Readings of several batches, one after the other. */
export function joinedReadings(parts: readonly Described[]): Described {
  const join = <T extends Float32Array | Int32Array>(pick: (part: Described) => T): T => {
    const arrays = parts.map(pick);
    const Kind = arrays[0]!.constructor as new (length: number) => T;
    const whole = new Kind(arrays.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const array of arrays) {
      whole.set(array, at);
      at += array.length;
    }
    return whole;
  };
  return {
    features: join((part) => part.features),
    classes: join((part) => part.classes),
    attributes: join((part) => part.attributes),
  };
}
