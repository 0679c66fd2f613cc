import * as tf from '@tensorflow/tfjs';
import type { DitConfig } from '../../models/builder/dit.js';
import { DIT_S_2, DIT_XL_2 } from '../../models/seeded.js';
import { fuseGraph, plan } from '../../src/index.js';
import type { BenchCase, Contest } from './harness.js';
import { ModelSubject } from './modelSubject.js';
import { onnxDit } from './onnxDit.js';
import { type OnnxValue, onnxWebgpu, onnxWebgpuContender, WEBGPU_PEERS } from './onnxWebgpu.js';
import { burstFor, gpuContender } from './webglBackend.js';
import { asTfjs, unplanned } from './webgpuContenders.js';

/** Whole models, two samples each, as classifier-free guidance has them. */
const MODELS = {
  'DiT-S/2': DIT_S_2,
  'DiT-XL/2, one block': { ...DIT_XL_2, depth: 1 },
} as const;

/** What the project asks of whole models, against ONNX Runtime at its best. */
const ONNX_BARS = Object.fromEntries(Object.values(WEBGPU_PEERS).map((peer) => [peer, 1.5]));
const MODEL_BARS = { 'tfjs fp32': 5, ...ONNX_BARS };
const RECORDED_BARS = { 'tfjs fp32': 12, ...ONNX_BARS };
const FUSED_BARS = { 'tfjs fp32': 1.5 };
/** What fetching a number at the end takes is a small part of a recorded model's burst. */
const MODEL_BURST_MS = 200;

/** Whole models against tfjs's and ONNX Runtime's WebGPU. */
export const modelCases: readonly BenchCase[] = Object.entries(MODELS).map(modelCase);

function modelCase([name, config]: [string, DitConfig]): BenchCase {
  const prepare = async (): Promise<Contest> => {
    const subject = await ModelSubject.make(config);
    const inputs = subject.inputs(2);
    const models = {
      W8A8: { model: subject.rewritten('W8A8'), bars: MODEL_BARS },
      W4A8: { model: subject.rewritten('W4A8'), bars: MODEL_BARS },
      fuseGraph: { model: fuseGraph(subject.float), bars: FUSED_BARS },
    };
    const all: Way[] = [{ way: 'the original, started quicker', compute: run(subject.float) }];
    const plans: { dispose(): unknown }[] = [];
    for (const [way, { model, bars }] of Object.entries(models)) {
      const step = await plan(model, inputs);
      console.log(`${name}, ${way}: ${step.programs} programs`);
      plans.push(step, model);
      // from the third run on from a plan of its own
      all.push({ way, bars, compute: run(model) });
      all.push({ way: `${way}, program by program`, compute: unplanned(run(model)) });
      const recordedBars = way === 'fuseGraph' ? undefined : RECORDED_BARS;
      const compute = () => step.run(inputs) as tf.Tensor;
      all.push({ way: `${way}, recorded`, bars: recordedBars, compute });
    }
    const float = asTfjs(run(subject.float));
    const burst = await burstFor([...all.map(({ compute }) => compute), float], MODEL_BURST_MS);
    const onnx = await onnxPeers(subject, inputs, burst);
    return {
      ours: await Promise.all(
        all.map(({ way, compute, bars }) => gpuContender(way, compute, burst, bars)),
      ),
      peers: [await gpuContender('tfjs fp32', float, burst), ...onnx],
      dispose: async () => {
        for (const one of [...plans, ...onnx]) await one.dispose();
        tf.dispose(inputs);
        subject.dispose();
      },
    };
    function run(model: tf.GraphModel): () => tf.Tensor {
      return () => model.execute(inputs) as tf.Tensor;
    }
  };
  return { name, prepare };
}

/** The same weights as ONNX graphs, on ONNX Runtime's WebGPU provider. */
async function onnxPeers(
  { config, weights }: ModelSubject,
  inputs: tf.NamedTensorMap,
  burst: number,
) {
  const ort = await onnxWebgpu();
  if (typeof ort === 'string') {
    console.error(`SKIPPED ONNX Runtime: ${ort}`);
    return [];
  }
  const given: Record<string, OnnxValue> = {};
  for (const [name, tensor] of Object.entries(inputs)) {
    given[name] = {
      values: (await tensor.data()) as Float32Array | Int32Array,
      shape: tensor.shape,
    };
  }
  const peers = [];
  for (const precision of ['float32', 4, 8] as const) {
    const options = { batch: 2, attention: 'MultiHeadAttention' } as const;
    const model = onnxDit(config, weights, precision, options);
    peers.push(await onnxWebgpuContender(WEBGPU_PEERS[precision], ort, model, given, burst));
  }
  return peers;
}

interface Way {
  readonly way: string;
  readonly compute: () => tf.Tensor;
  readonly bars?: Contest['ours'][number]['bars'];
}
