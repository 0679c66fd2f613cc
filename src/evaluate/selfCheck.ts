import type { GraphModel } from '@tensorflow/tfjs-converter';
import {
  dispose,
  getBackend,
  type NamedTensorMap,
  setBackend,
  type Tensor,
  tensor,
} from '@tensorflow/tfjs-core';
import { fetchValues, throughout } from '../../ops/common/alive.js';
import { checkCallback, checkSignal, throwIfAborted } from '../../ops/common/callers.js';
import { checkInteger, checkOptions } from '../../ops/common/checks.js';
import type { WatchOptions } from '../../ops/common/progress.js';
import { describe, HadaNormError, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { KIND } from '../../ops/numerics/kinds.js';
import { normalNumbers } from '../../ops/numerics/random.js';
import { type Batch, checkBatch, disposeResults, tensorsIn } from '../feed/batch.js';
import { checkInputs } from '../feed/batchInputs.js';
import { canonical, type Graph, type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { graphOfModel, weightTensors } from '../graph/model.js';
import { picked, productDifference, quantizerDifference, type Values } from './layerReference.js';

const OP = 'selfCheck';

/** Options of `selfCheck`. */
export interface SelfCheckOptions extends WatchOptions {
  /** The backend to check. Default the current one. It is the current one again afterwards. */
  backend?: string;
  /** Layers that are checked, spread over the model. Default 3. */
  layers?: number;
  /**
   * The largest error that is allowed, as a share of the magnitude of what is added up: float32
   * rounds by less than 1e-5. Default 1e-3.
   */
  tolerance?: number;
  /** Inputs of the model. Default: seeded noise for one sample, and 0 where integers are wanted. */
  inputs?: Batch;
}

/** What an absent option of `selfCheck` means. */
export const SELF_CHECK_DEFAULTS = {
  layers: 3,
  tolerance: 1e-3,
} as const satisfies SelfCheckOptions;

/** A layer that was checked, and its largest error: see `tolerance`. */
export interface CheckedLayer {
  readonly name: string;
  readonly difference: number;
}

/** A kernel of a backend gives what it should not. */
export class SelfCheckError extends HadaNormError {
  static override readonly [KIND] = 'SelfCheckError';
  override readonly name = 'SelfCheckError';

  constructor(
    readonly layer: string,
    readonly backend: string,
    /** As a share of the magnitude of what is added up. */
    readonly difference: number,
    tolerance: number,
    what: string,
  ) {
    const found = `${what} of layer ${JSON.stringify(layer)} on ${backend} is off by`;
    const shares = `${difference.toPrecision(2)} of its magnitude, ${tolerance} is allowed`;
    super(OP, `${found} ${shares}. Use another backend, and report this with the device.`);
  }
}

/**
 * Runs a few quantized layers of a model and compares each with its definition in float64: whether
 * this backend, on this device, computes what it should.
 *
 * @param model A model of `rewriteGraph` in mode 'integer', or one that was loaded.
 * @returns The layers that were checked.
 * @throws SelfCheckError that names the layer, the backend and the difference;
 * InvalidArgumentError for a model without quantized layers, or one whose inputs have no shapes;
 * AbortedError when cancelled; WebglContextLostError, WebgpuDeviceLostError where the device is
 * lost.
 *
 * @example
 * ```ts
 * import '@tensorflow/tfjs';
 * import { rewriteGraph, selfCheck } from 'tfjs-hadanorm';
 * import { tinyDit } from '../../models/tinyDit.js';
 *
 * const model = await tinyDit(); // your own: await tf.loadGraphModel(url)
 * const { model: small } = rewriteGraph(model, { method: 'hadamard' });
 * for (const { name, difference } of await selfCheck(small)) console.log(name, difference);
 * ```
 */
export async function selfCheck(
  model: GraphModel,
  options: SelfCheckOptions = {},
): Promise<CheckedLayer[]> {
  const op = OP;
  checkOptions(op, options, [
    ...['backend', 'layers', 'tolerance', 'inputs', 'signal', 'onProgress'],
  ]);
  const { layers = SELF_CHECK_DEFAULTS.layers } = options;
  const { tolerance = SELF_CHECK_DEFAULTS.tolerance, inputs } = options;
  checkInteger(op, 'layers', layers, 1);
  if (!(typeof tolerance === 'number' && tolerance > 0)) {
    throw new InvalidArgumentError(op, 'tolerance', 'a number > 0', describe(tolerance));
  }
  checkSignal(op, options.signal);
  checkCallback(op, 'onProgress', options.onProgress);
  if (inputs !== undefined) checkBatch(op, inputs, 'batches[0]');
  const graph = graphOfModel(op, model);
  const products = [...graph.nodes.values()].filter((node) => node.op === 'QuantizedMatMul');
  if (products.length === 0) {
    const wayOut = "rewriteGraph(model, { mode: 'integer' }) makes them.";
    throw new InvalidArgumentError(op, 'model', 'one with quantized layers', 'none', wayOut);
  }
  const outputs = products.map(({ name }) => name);
  if (inputs !== undefined) checkInputs(op, { model, graph, outputs }, inputs, 'batches[0]');
  const before = getBackend();
  await useBackend(options.backend ?? before);
  const batch = inputs ?? noiseFor(model);
  try {
    const checked = picked(products.length, layers).map((i) => products[i]!);
    return await checkAll({ model, graph, batch, tolerance }, checked, options);
  } finally {
    if (inputs === undefined) dispose(batch);
    if (getBackend() !== before) await setBackend(before);
  }
}

interface Subject {
  readonly model: GraphModel;
  readonly graph: Graph;
  readonly batch: Batch;
  readonly tolerance: number;
}

async function checkAll(
  subject: Subject,
  products: readonly GraphNode[],
  { signal, onProgress }: WatchOptions,
): Promise<CheckedLayer[]> {
  const checked: CheckedLayer[] = [];
  for (const product of products) {
    throwIfAborted(OP, signal);
    checked.push({ name: product.name, difference: await checkLayer(subject, product) });
    const [done, total] = [checked.length, products.length];
    onProgress?.({ stage: 'check', done, total, name: product.name });
  }
  return checked;
}

async function checkLayer(
  { model, graph, batch, tolerance }: Subject,
  product: GraphNode,
): Promise<number> {
  const before = graph.nodes.get(nodeOf(product.inputs[0]!));
  const quantizer = before?.op === 'HadaNormQuantize' ? before : null;
  const outputs = quantizer === null ? [] : outputsOf(graph, quantizer);
  const refs = [...product.inputs, product.name, ...(quantizer?.inputs ?? []), ...outputs];
  const values = await valuesAt(model, graph, batch, refs);
  const of = (ref: Ref) => values.get(canonical(ref))!;
  const refuse = (difference: number, what: string) => {
    if (difference <= tolerance) return difference;
    throw new SelfCheckError(product.name, getBackend(), difference, tolerance, what);
  };
  const first =
    quantizer === null
      ? 0
      : refuse(
          quantizerDifference(quantizer, quantizer.inputs.map(of), outputs.map(of)),
          'the quantizer',
        );
  const second = productDifference(product, product.inputs.map(of), of(product.name));
  return Math.max(first, refuse(second, 'the product'));
}

/** The outputs of a quantizer that somebody reads, up to the last of them. */
function outputsOf(graph: Graph, { name }: GraphNode): Ref[] {
  const read = [...graph.nodes.values()].flatMap(({ inputs }) => inputs.map(canonical));
  const isRead = (index: number) => read.includes(canonical(`${name}:${index}`));
  const last = [4, 3].find(isRead) ?? 2;
  return Array.from({ length: last + 1 }, (_, i) => `${name}:${i}`);
}

/** Values of constants, and of what a run gives. */
async function valuesAt(
  model: GraphModel,
  graph: Graph,
  batch: Batch,
  refs: readonly Ref[],
): Promise<Map<Ref, Values>> {
  const all = [...new Set(refs.map(canonical))];
  const isConstant = (ref: Ref) => graph.nodes.get(nodeOf(ref))?.op === 'Const';
  const wanted = all.filter((ref) => !isConstant(ref));
  const tensors = [...tensorsIn(batch), ...weightTensors(model)];
  const results = await throughout(OP, tensors, () => {
    return [model.execute(batch, wanted)].flat() as Tensor[];
  });
  try {
    const found = new Map<Ref, Values>();
    const put = async (ref: Ref, from: Tensor) => {
      found.set(ref, { shape: from.shape, values: await fetchValues(OP, from) });
    };
    for (const [i, ref] of wanted.entries()) await put(ref, results[i]!);
    for (const ref of all.filter(isConstant)) await put(ref, model.weights[nodeOf(ref)]![0]!);
    return found;
  } finally {
    disposeResults(results, batch, model);
  }
}

async function useBackend(name: string): Promise<void> {
  // tfjs throws for a name that it does not know, and says false for what does not start
  const starts = async () => setBackend(name);
  if (getBackend() === name || (await starts().catch(() => false))) return;
  const wanted = 'the name of a backend that is there';
  throw new InvalidArgumentError(OP, 'backend', wanted, describe(name));
}

/** One sample of seeded noise; 0 where integers are wanted. */
function noiseFor({ inputs }: GraphModel): NamedTensorMap {
  const next = normalNumbers(0);
  const entries = inputs.map(({ name, shape, dtype }) => {
    if (shape === undefined) {
      const wayOut = 'Pass inputs.';
      throw new InvalidArgumentError(OP, 'model', 'one whose inputs say shapes', name, wayOut);
    }
    const dims = shape.map((dim) => (dim > 0 ? dim : 1));
    const size = dims.reduce((product, dim) => product * dim, 1);
    const values = Float32Array.from({ length: size }, () => (dtype === 'float32' ? next() : 0));
    return [name, tensor(values, dims, dtype)] as const;
  });
  return Object.fromEntries(entries);
}
