import * as tf from '@tensorflow/tfjs';
import { decodeRecords, encodeRecords, type Numbers } from '../../../src/calibrate/serialize.js';
import { CalibrationStats, rewriteGraph } from '../../../src/index.js';
import { useBackend } from '../base/backends.js';
import type { FuzzCase, Kind } from '../base/kind.js';
import { found, type Outcome, RIGHT, thrown } from '../base/outcome.js';
import { Random } from '../base/random.js';
import { mutateBytes } from '../mutate/bytes.js';
import { mutateJson } from '../mutate/json.js';
import { hostileJson, hostileNumber } from '../mutate/values.js';
import { baseModels, smallBatch } from './baseModels.js';

interface Subject {
  readonly model: tf.GraphModel;
  readonly stats: CalibrationStats;
  readonly bytes: Uint8Array;
}

/** Statistics: read, merged, saved again, quantized with. */
export const statsKind: Kind = {
  name: 'stats',
  share: 90,
  prepare: async () => {
    const { original, stats } = await baseModels();
    const model = await tf.loadGraphModel(tf.io.fromMemory(original));
    const subject = { model, stats, bytes: stats.serialize() };
    return (seeds) => statsCase(subject, seeds);
  },
};

function statsCase(subject: Subject, [first, ...mutations]: readonly number[]): FuzzCase {
  const random = new Random(first!);
  const isSealed = random.chance(0.5);
  const { bytes, text } = isSealed
    ? sealedAgain(subject.bytes, mutations)
    : altered(subject.bytes, mutations);
  return {
    text: `${isSealed ? 'sealed again' : 'as they are'}: ${text}`,
    run: () => used(subject, bytes),
  };
}

function altered(bytes: Uint8Array, mutations: readonly number[]) {
  let made = { bytes: Uint8Array.from(bytes), text: '' };
  for (const seed of mutations) {
    const next = mutateBytes(new Random(seed), made.bytes);
    made = { bytes: next.bytes, text: `${made.text}${next.text}; ` };
  }
  return made;
}

function sealedAgain(bytes: Uint8Array, mutations: readonly number[]) {
  const { header, arrays } = decodeRecords(bytes);
  const data = structuredClone(header) as Record<string, unknown>;
  const list = arrays.map((array) => array.slice() as Numbers);
  const texts = mutations.map((seed) => {
    const random = new Random(seed);
    return random.chance(0.6) ? mutateJson(random, data, hostileJson) : mutateNumbers(random, list);
  });
  return { bytes: encodeRecords(data, list), text: texts.join('; ') };
}

function mutateNumbers(random: Random, list: Numbers[]): string {
  const at = random.below(list.length);
  const array = list[at]!;
  switch (random.below(4)) {
    case 0:
      list[at] = array.slice(0, random.below(array.length + 1)) as Numbers;
      return `array ${at} shorter`;
    case 1:
      list[at] =
        array instanceof Float64Array ? Float32Array.from(array) : Float64Array.from(array);
      return `array ${at} of another type`;
    default: {
      if (array.length === 0) return 'an empty array';
      const i = random.below(array.length);
      const value = hostileNumber(random, array[i]);
      if (random.chance(0.2)) array.fill(value);
      else array[i] = value;
      return `array ${at} [${i}] = ${value}`;
    }
  }
}

/** What is read can be used, and what is made with it gives numbers. */
async function used({ model, stats }: Subject, bytes: Uint8Array): Promise<Outcome> {
  await useBackend('cpu');
  const before = tf.memory().numTensors;
  let read: CalibrationStats;
  try {
    read = CalibrationStats.deserialize(bytes);
  } catch (error) {
    return thrown(error);
  }
  try {
    const again = CalibrationStats.deserialize(read.serialize()).serialize();
    if (`${again}` !== `${read.serialize()}`) return found('wrong', 'saved again it is another');
    mergedIfAlike(read, stats);
    const { model: small } = rewriteGraph(model, { stats: read, compare: false });
    const outcome = finite(small);
    small.dispose();
    if (outcome !== RIGHT) return outcome;
  } catch (error) {
    const outcome = thrown(error);
    if (outcome.what !== 'typed') return outcome;
  }
  const left = tf.memory().numTensors - before;
  return left === 0 ? RIGHT : found('leak', `${left} tensors left`);
}

function mergedIfAlike(read: CalibrationStats, stats: CalibrationStats): void {
  try {
    read.merge(stats).serialize();
  } catch (error) {
    if (thrown(error).what !== 'typed') throw error;
  }
}

function finite(model: tf.GraphModel): Outcome {
  const batch = smallBatch(3);
  const output = model.predict(batch) as tf.Tensor;
  const values = output.dataSync();
  tf.dispose([output, batch]);
  const at = values.findIndex((value: number) => !Number.isFinite(value));
  return at < 0 ? RIGHT : found('wrong', `the quantized model's output [${at}] is ${values[at]}`);
}
