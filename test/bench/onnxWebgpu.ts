import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as Ort from 'onnxruntime-web';
import { provisionOnnxRuntime } from '../../scripts/provision/onnxRuntime.js';
import type { Contender } from './harness.js';

/** The peers' names: how ONNX Runtime's WebGPU provider computes linears. */
export const WEBGPU_PEERS = {
  float32: 'ORT WebGPU fp32',
  4: 'ORT WebGPU 4 bits',
  8: 'ORT WebGPU 8 bits',
} as const;

/** The same interface as in the browser; the package itself is fetched, and may be missing. */
type Runtime = Pick<typeof Ort, 'InferenceSession' | 'Tensor' | 'env'>;

let runtime: Promise<Runtime | string> | undefined;

/** ONNX Runtime for Node, or why there is none. */
export function onnxWebgpu(): Promise<Runtime | string> {
  runtime ??= load();
  return runtime;
}

async function load(): Promise<Runtime | string> {
  const found = await provisionOnnxRuntime((line) => console.error(line));
  if (!found.available) return found.reason;
  const ort = createRequire(join(found.folder, 'package.json'))(found.folder) as Runtime;
  ort.env.logLevel = 'error';
  return ort;
}

/** What is given to an input. */
export interface OnnxValue {
  readonly values: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

/** A model on ONNX Runtime's WebGPU provider, as a contender: a run is so many of the model. */
export async function onnxWebgpuContender(
  name: string,
  ort: Runtime,
  model: Uint8Array,
  given: Readonly<Record<string, OnnxValue>>,
  count: number,
): Promise<Contender & { dispose: () => Promise<void> }> {
  const session = await ort.InferenceSession.create(model, { executionProviders: ['webgpu'] });
  const feeds = Object.fromEntries(
    Object.entries(given).map(([input, { values, shape }]) => [
      input,
      values instanceof Float32Array
        ? new ort.Tensor('float32', values, [...shape])
        : new ort.Tensor('int32', values, [...shape]),
    ]),
  );
  const run = async () => {
    for (let i = 0; i < count; i++) await session.run(feeds);
  };
  await run();
  return { name, run, dispose: () => session.release() };
}
