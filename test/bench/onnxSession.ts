import * as ort from 'onnxruntime-web';

/** Inputs of a model, by name. */
export type OnnxFeeds = Readonly<Record<string, ort.Tensor>>;

/** A model in ONNX Runtime Web, on WASM and one thread. */
export interface OnnxSession {
  /** The values of the only output. */
  readonly run: (feeds: OnnxFeeds) => Promise<Float32Array>;
  readonly dispose: () => Promise<void>;
}

/** The folder of ONNX Runtime's own .wasm files, for a page; Node finds them in the package. */
export function setOnnxPaths(folder: string): void {
  ort.env.wasm.wasmPaths = folder;
}

/** Loads a model with every optimisation of the graph. */
export async function openSession(model: Uint8Array): Promise<OnnxSession> {
  ort.env.wasm.numThreads = 1;
  // opset 20 is older than this runtime: it warns of nothing that matters here
  ort.env.logLevel = 'error';
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: 1,
  });
  const [output] = session.outputNames;
  return {
    run: async (feeds) => (await session.run(feeds))[output!]!.data as Float32Array,
    dispose: () => session.release(),
  };
}

/** A float32 or int32 tensor for `run`. */
export function onnxTensor(
  values: Float32Array | Int32Array,
  shape: readonly number[],
): ort.Tensor {
  return values instanceof Float32Array
    ? new ort.Tensor('float32', values, shape)
    : new ort.Tensor('int32', values, shape);
}
