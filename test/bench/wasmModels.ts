import * as tf from '@tensorflow/tfjs';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import { DIT_S_2, DIT_XL_2 } from '../../models/seeded.js';
import type { BenchCase, BenchSuite, Contender, Contest } from './harness.js';
import { MODEL_WEIGHTS, type ModelPrecision, ModelSubject } from './modelSubject.js';
import { onnxDit } from './onnxDit.js';
import type { OnnxCpuPrecision } from './onnxLinear.js';
import { type OnnxFeeds, onnxTensor, openSession } from './onnxSession.js';
import {
  availableVariants,
  BARS,
  checkSame,
  PEERS,
  readValues,
  resetVariant,
  setWasmBackend,
  withVariant,
} from './wasmVariants.js';

const MODELS = {
  'DiT-S/2': DIT_S_2,
  'DiT-XL/2, one block': { ...DIT_XL_2, depth: 1 },
} as const;

/** How near an output must come to the float32 model's, dB; 80 are a ten thousandth of its size. */
const LEAST_DB = { W8A8: 20, W4A8: 10, float32: 80, int8: 20 } as const;

/**
 * Whole models, from inputs to output, one sample: rewritten against float32 and against the same
 * DiT in ONNX Runtime Web.
 */
export const modelSuite: BenchSuite = { name: 'wasm-models', prepare };

async function prepare(): Promise<{ cases: BenchCase[]; dispose: () => void }> {
  await setWasmBackend();
  const cases = Object.entries(MODELS).map(([name, config]) => ({
    name,
    prepare: async () => modelContest(await ModelSubject.make(config)),
  }));
  return { cases, dispose: resetVariant };
}

async function modelContest(subject: ModelSubject): Promise<Contest> {
  const inputs = subject.inputs();
  const want = outputOf(subject.float, inputs);
  const models: GraphModel[] = [];
  const ours: Contender[] = [];
  for (const precision of Object.keys(MODEL_WEIGHTS) as ModelPrecision[]) {
    const model = subject.rewritten(precision);
    models.push(model);
    checkSame(precision, outputOf(model, inputs), want, LEAST_DB[precision]);
    const run = () => void outputOf(model, inputs);
    for (const variant of availableVariants()) {
      ours.push(withVariant(variant, { name: precision, run, bars: BARS.model }));
    }
  }
  const tfjs = { name: PEERS.tfjs, run: () => void outputOf(subject.float, inputs) };
  const float = await onnxContender(subject, inputs, 'float32', want);
  const int8 = await onnxContender(subject, inputs, 'int8', want);
  const dispose = async () => {
    tf.dispose(inputs);
    for (const model of models) model.dispose();
    subject.dispose();
    resetVariant();
    await float.dispose();
    await int8.dispose();
  };
  return { ours, peers: [tfjs, float, int8], dispose };
}

async function onnxContender(
  { config, weights }: ModelSubject,
  inputs: tf.NamedTensorMap,
  precision: OnnxCpuPrecision,
  want: Float32Array,
): Promise<Contender & { dispose: () => Promise<void> }> {
  const session = await openSession(onnxDit(config, weights, precision));
  const feeds: OnnxFeeds = Object.fromEntries(
    Object.entries(inputs).map(([key, tensor]) => {
      const values = tensor.dataSync() as Float32Array | Int32Array;
      return [key, onnxTensor(values, tensor.shape)];
    }),
  );
  const name = precision === 'float32' ? PEERS.onnxFloat : PEERS.onnxInt8;
  checkSame(name, await session.run(feeds), want, LEAST_DB[precision]);
  return { name, run: async () => void (await session.run(feeds)), dispose: session.dispose };
}

function outputOf(model: GraphModel, inputs: tf.NamedTensorMap): Float32Array {
  return readValues(() => model.execute(inputs) as tf.Tensor);
}
