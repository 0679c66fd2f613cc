import * as tf from '@tensorflow/tfjs';
import {
  describeGraph,
  fuseGraph,
  loadQuantized,
  quantizedFiles,
  rewriteGraph,
} from '../../../src/index.js';
import { useBackend } from '../base/backends.js';
import type { FuzzCase, Kind } from '../base/kind.js';
import { type Outcome, RIGHT, thrown } from '../base/outcome.js';
import { Random } from '../base/random.js';
import { guardedResult, resultOf } from '../guard/runs.js';
import { mutateBytes } from '../mutate/bytes.js';
import { mutateJson } from '../mutate/json.js';
import { hostileJson } from '../mutate/values.js';
import { type BaseModels, baseModels, smallBatch } from './baseModels.js';
import { sameAnswers } from './compare.js';
import { artifactsFrom, fileOf, mutateModel } from './mutateModel.js';
import { reseal } from './reseal.js';

/** Packed models, read by loadQuantized and by tfjs alone, and run. */
export const modelsKind: Kind = {
  name: 'models',
  share: 90,
  prepare: async () => {
    const base = await baseModels();
    return (seeds) => modelCase(base, seeds);
  },
};

/** What is made of graphs: fused, described, quantized. */
export const rewritesKind: Kind = {
  name: 'rewrites',
  share: 40,
  prepare: async () => {
    const base = await baseModels();
    return (seeds) => rewriteCase(base, seeds);
  },
};

/** The files of a model as a server has them: the manifest is read from them too. */
export const manifestsKind: Kind = {
  name: 'manifests',
  share: 40,
  prepare: async () => {
    const base = await baseModels();
    await useBackend('cpu');
    const files = await Promise.all(
      base.packed.slice(0, 2).map(async (artifacts) => {
        const model = await tf.loadGraphModel(tf.io.fromMemory(artifacts));
        const made = await quantizedFiles(model, { shardBytes: 4000 });
        model.dispose();
        return made;
      }),
    );
    return (seeds) => manifestCase(files, seeds);
  },
};

function modelCase({ packed }: BaseModels, [first, ...mutations]: readonly number[]): FuzzCase {
  const random = new Random(first!);
  const way = random.below(packed.length);
  const isSealed = random.chance(0.5);
  const isPlain = random.chance(0.35);
  const file = fileOf(packed[way]!);
  const changes = mutations.map((seed) => mutateModel(new Random(seed), file));
  if (isSealed) reseal(file);
  const load = () => {
    const handler = tf.io.fromMemory(artifactsFrom(file));
    return isPlain ? tf.loadGraphModel(handler) : loadQuantized(handler);
  };
  const how = `${isSealed ? 'sealed again' : 'as it is'}, ${isPlain ? 'plain' : 'checked'}`;
  return { text: `model ${way}, ${how}: ${changes.join('; ')}`, run: () => ran(load, isPlain) };
}

function manifestCase(
  all: readonly ReadonlyMap<string, Uint8Array<ArrayBuffer>>[],
  [first, ...mutations]: readonly number[],
): FuzzCase {
  const random = new Random(first!);
  const files = new Map(random.pick(all));
  const changes = mutations.map((seed) => mutateFiles(new Random(seed), files));
  const fetchFunc = async (path: RequestInfo | URL) => {
    const bytes = files.get(`${path}`.replace('http://fuzz/', ''));
    return bytes === undefined ? new Response(null, { status: 404 }) : new Response(bytes);
  };
  const load = () => loadQuantized('http://fuzz/model.json', { fetchFunc });
  return { text: `files: ${changes.join('; ')}`, run: () => ran(load, false) };
}

function mutateFiles(random: Random, files: Map<string, Uint8Array<ArrayBuffer>>): string {
  const name = random.chance(0.7) ? 'model.json' : random.pick([...files.keys()]);
  const bytes = files.get(name);
  if (bytes === undefined) return `no ${name}`;
  if (name !== 'model.json' || random.chance(0.2)) {
    if (random.chance(0.1)) files.delete(name);
    else files.set(name, mutateBytes(random, bytes).bytes);
    return `${name}: bytes`;
  }
  try {
    const json = JSON.parse(new TextDecoder().decode(bytes));
    const part = random.chance(0.7) ? json.weightsManifest : json;
    const isContainer = part !== null && typeof part === 'object';
    const text = mutateJson(random, isContainer ? part : json, hostileJson);
    files.set(name, new TextEncoder().encode(JSON.stringify(json)));
    return `${name}: ${text}`;
  } catch {
    return 'no JSON is left';
  }
}

function rewriteCase(
  { original, packed }: BaseModels,
  [first, ...mutations]: readonly number[],
): FuzzCase {
  const random = new Random(first!);
  const file = fileOf(random.chance(0.7) ? original : random.pick(packed));
  const what = random.pick(['fuseGraph', 'describeGraph', 'rewriteGraph'] as const);
  const changes = mutations.map((seed) => mutateModel(new Random(seed), file));
  const use = (model: tf.GraphModel): tf.Tensor[] => {
    if (what === 'describeGraph') describeGraph(model);
    else if (what === 'fuseGraph') fuseGraph(model).dispose();
    else rewriteGraph(model, { method: 'rtn', compare: false }).model.dispose();
    return [];
  };
  const run = async () => {
    await useBackend('cpu');
    let model: tf.GraphModel;
    try {
      model = await tf.loadGraphModel(tf.io.fromMemory(artifactsFrom(file)));
    } catch (error) {
      return thrown(error);
    }
    const { outcome } = await resultOf(() => use(model));
    model.dispose();
    return outcome;
  };
  return { text: `${what}: ${changes.join('; ')}`, run };
}

/** Loads and runs on the cpu backend; what goes well gives the same on WASM. */
async function ran(load: () => Promise<tf.GraphModel>, isPlain: boolean): Promise<Outcome> {
  await useBackend('cpu');
  const execute = (factor: number) => async () => {
    const model = await load();
    const batch = smallBatch(7, factor);
    try {
      const result = model.execute(batch);
      return Array.isArray(result) ? result : [result];
    } finally {
      tf.dispose(batch);
      model.dispose();
    }
  };
  const cpu = await resultOf(execute(1));
  if (cpu.outcome.what !== 'right') return ofLoader(cpu.outcome, isPlain);
  const wasm = await guardedResult(execute(1));
  if (wasm.outcome.what !== 'right') return ofLoader(wasm.outcome, isPlain);
  const outcome = await sameAnswers(cpu.outputs, wasm.outputs, async () => {
    await useBackend('cpu');
    return (await resultOf(execute(1 + 1e-6))).outputs;
  });
  return outcome.what === 'found' && (await isExtreme(load)) ? RIGHT : outcome;
}

/** Whether a model holds numbers whose squares leave float32: cpu adds them up in float64. */
async function isExtreme(load: () => Promise<tf.GraphModel>): Promise<boolean> {
  await useBackend('cpu');
  const model = await load();
  const floats = Object.values(model.weights)
    .flat()
    .filter(({ dtype }) => dtype === 'float32');
  const beyond = floats.some((weight) =>
    weight.dataSync<'float32'>().some((value) => Number.isFinite(value) && Math.abs(value) > 1e9),
  );
  model.dispose();
  return beyond;
}

/** tfjs keeps tensors where it fails to load a model, or one has two weights of a name. */
function ofLoader(outcome: Outcome, isPlain: boolean): Outcome {
  if (!isPlain || outcome.what !== 'found' || outcome.fault !== 'leak') return outcome;
  return { what: 'tfjs', message: 'tensors of a model that tfjs loaded are left' };
}
